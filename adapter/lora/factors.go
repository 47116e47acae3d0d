package lora

import (
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// Targets are the layers of a model that a LoRA changes.
type Targets string

// The targets, each with those before it. Kohya-ss' program trains Linears unless it is
// asked for convolutions, diffusers' script attention.
const (
	TargetAttention    Targets = "attention"    // the products around attention: to_q, to_k, to_v, to_out
	TargetLinear       Targets = "all"          // every product of the transformers: feed-forwards, proj_in and proj_out too
	TargetConvolutions Targets = "convolutions" // the residual blocks and the changes of size as well (LoCon)
)

// Factors configure the two factors of low rank that a layer gets in training.
type Factors struct {
	Rank        int     `yaml:"rank"`
	Alpha       float64 `yaml:"alpha"`      // the change is alpha/rank·up·down; 0: as the rank
	ConvRank    int     `yaml:"conv_rank"`  // of convolutions of more than one pixel; 0: as rank
	ConvAlpha   float64 `yaml:"conv_alpha"` // 0: as the rank of convolutions, or alpha where that is not given either
	Targets     Targets `yaml:"targets"`
	TextEncoder bool    `yaml:"text_encoder"` // its attention and feed-forwards too
	Dropout     float64 `yaml:"dropout"`      // share of the numbers between the factors that a step leaves out
}

// DefaultFactors are those of a configuration that says nothing.
func DefaultFactors() Factors { return Factors{Rank: 8, Targets: TargetLinear} }

// Resolve fills in what is left out, and checks the rest.
func (f Factors) Resolve() (Factors, error) {
	if f.ConvAlpha == 0 && f.ConvRank == 0 {
		f.ConvAlpha = f.Alpha
	}
	if f.Alpha == 0 {
		f.Alpha = float64(f.Rank)
	}
	if f.ConvRank == 0 {
		f.ConvRank = f.Rank
	}
	if f.ConvAlpha == 0 {
		f.ConvAlpha = float64(f.ConvRank)
	}
	const most = 1024
	switch {
	case f.Rank < 1 || f.Rank > most:
		return f, fault.Inputf("lora.rank is %d: want 1 to %d", f.Rank, most)
	case f.ConvRank < 1 || f.ConvRank > most:
		return f, fault.Inputf("lora.conv_rank is %d: want 1 to %d", f.ConvRank, most)
	case !(f.Alpha > 0 && f.Alpha <= 1<<20) || !(f.ConvAlpha > 0 && f.ConvAlpha <= 1<<20):
		return f, fault.Inputf("lora.alpha is %g and lora.conv_alpha %g: want more than 0, usually the rank or half of it", f.Alpha, f.ConvAlpha)
	case f.Targets != TargetAttention && f.Targets != TargetLinear && f.Targets != TargetConvolutions:
		return f, fault.Inputf("lora.targets is %q: want %s, %s or %s", f.Targets, TargetAttention, TargetLinear, TargetConvolutions)
	case !(f.Dropout >= 0 && f.Dropout < 1):
		return f, fault.Inputf("lora.dropout is %g: want 0 (none) to less than 1", f.Dropout)
	}
	return f, nil
}

// Names of the factors in graphs, before and behind that of the module, and of the
// inputs that leave numbers out.
const (
	Prefix     = "lora"
	endDown    = ".down"
	endUp      = ".up"
	maskPrefix = "dropout."
)

// Modules lists the modules that have factors among parameters of a graph.
func Modules(parameters []string) (modules []string) {
	for _, name := range parameters {
		if module, ok := strings.CutPrefix(name, Prefix+"."); ok {
			if module, ok = strings.CutSuffix(module, endDown); ok {
				modules = append(modules, module)
			}
		}
	}
	return modules
}

// MaskOf is the input of a graph of training that the numbers between a module's
// factors are multiplied by: 0, or 1/(1 - dropout).
func MaskOf(module string) string { return maskPrefix + module }

// Adapter adds the factors to a network whose parameters have their usual names: of a
// layer that says y of x, it makes
//
//	y + alpha/rank·up(down(x))
//
// where down begins as kohya-ss' does, uniform, and up at zero. The weights of the
// layers stay as they are, and no gradient flows to them unless it is asked for.
// In training numbers between the factors are left out; prefix, empty or "ema.", is
// before the factors' names.
func (f Factors) Adapter(prefix string, training bool) nn.Adapter {
	return func(b nn.Builder, l nn.Layer) graph.Value {
		if !f.changes(l) || b.G.Err() != nil {
			return l.Y
		}
		return f.add(b, l, prefix+Prefix+"."+l.Name, training)
	}
}

// add is the result of a layer with its factors.
func (f Factors) add(b nn.Builder, l nn.Layer, name string, training bool) graph.Value {
	g, out, fanIn := b.G, l.Weight[0], l.Weight[1:].Size()
	rank, alpha := f.Rank, f.Alpha
	if isSpatial(l.Weight) {
		rank, alpha = f.ConvRank, f.ConvAlpha
	}
	downShape, upShape := append(graph.Shape{rank}, l.Weight[1:]...), graph.Shape{out, rank}
	for range len(l.Weight) - 2 {
		upShape = append(upShape, 1)
	}
	down := b.Param(name+endDown, nn.Uniform(fanIn), downShape...)
	up := g.Reshape(b.Param(name+endUp, nn.Zeros, upShape...), out, rank)
	var h graph.Value
	if l.Linear {
		h = g.Linear(l.X, g.Reshape(down, rank, fanIn), graph.Value{})
	} else {
		h = g.Conv2D(l.X, down, graph.Value{}, l.Conv)
	}
	if training && f.Dropout > 0 {
		h = g.Mul(h, g.Input(MaskOf(l.Name), h.Shape()...))
	}
	return g.Add(g.Linear(g.Affine(h, float32(alpha/float64(rank)), 0), up, graph.Value{}), l.Y)
}

// isSpatial tells whether a weight is of a convolution of more than one pixel.
func isSpatial(w graph.Shape) bool { return len(w) == 4 && w[2]*w[3] > 1 }

// changes tells whether a layer is one of the targets.
func (f Factors) changes(l nn.Layer) bool {
	if inside, ok := strings.CutPrefix(l.Name, prefixText); ok {
		return f.TextEncoder && isTextLayer(inside)
	}
	inside, ok := strings.CutPrefix(l.Name, prefixUNet)
	switch {
	case !ok:
		return false
	case isAttention(inside):
		return true
	case f.Targets == TargetAttention:
		return false
	case isTransformer(inside):
		return true
	}
	return f.Targets == TargetConvolutions && isBlock(inside)
}

// isAttention tells whether a layer of a U-Net makes or joins the heads of an
// attention, of a transformer or of pixels.
func isAttention(inside string) bool {
	return strings.Contains(inside, ".attn1.to_") || strings.Contains(inside, ".attn2.to_") || strings.HasSuffix(inside, ".qkv")
}

// isTransformer tells whether a layer of a U-Net is one of a transformer or around it.
func isTransformer(inside string) bool {
	return strings.Contains(inside, ".transformer_blocks.") || strings.HasSuffix(inside, ".proj_in") || strings.HasSuffix(inside, ".proj_out")
}

// isBlock tells whether a layer is one of a residual block, or changes the size.
func isBlock(inside string) bool {
	for _, end := range []string{".in_layers.2", ".out_layers.3", ".emb_layers.1", ".skip_connection", ".op", ".conv"} {
		if strings.HasSuffix(inside, end) {
			return true
		}
	}
	return false
}

// isTextLayer tells whether a layer of a text encoder belongs to its attention or its
// feed-forwards: those of CLIP by Hugging Face's or OpenCLIP's names, or of the paper's
// transformer.
func isTextLayer(inside string) bool {
	for _, part := range []string{".self_attn.", ".mlp.fc", ".attn.in_proj", ".attn.out_proj", ".mlp.c_", ".attn_layers.layers."} {
		if strings.Contains(inside, part) {
			return true
		}
	}
	return false
}
