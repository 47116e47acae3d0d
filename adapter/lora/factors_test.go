package lora

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

const (
	productModule = "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_q"
	convModule    = "model.diffusion_model.input_blocks.3.0.op"
)

// twoLayers are a convolution of stride 2 and a product of its pixels.
func twoLayers(b nn.Builder) graph.Value {
	x := b.G.Input("x", 1, 4, 4, 3)
	y := nn.Conv2D(b.In(convModule), x, 5, nn.Conv{Kernel: 3, Conv2D: graph.Conv2D{Stride: 2, Top: 1, Bottom: 1, Left: 1, Right: 1}})
	return nn.LinearNoBias(b.In(productModule), y, 4)
}

// exactly is the same in float64: Σ c·y for the coefficients c of testing.
func exactly(x []float64, v map[string][]float64, rank int, scale float64) (sum float64) {
	conv := func(w []float64, out int, bias []float64) []float64 {
		y := make([]float64, 4*out)
		for at := range y {
			o, row, column := at%out, at/out/2, at/out%2
			if bias != nil {
				y[at] = bias[o]
			}
			for c := range 3 {
				for k := range 9 {
					if i, j := 2*row+k/3-1, 2*column+k%3-1; i >= 0 && i < 4 && j >= 0 && j < 4 {
						y[at] += w[(o*3+c)*9+k] * x[(i*4+j)*3+c]
					}
				}
			}
		}
		return y
	}
	product := func(x, w []float64, in, out int) []float64 {
		y := make([]float64, len(x)/in*out)
		for at := range y {
			for k := range in {
				y[at] += x[at/out*in+k] * w[at%out*in+k]
			}
		}
		return y
	}
	add := func(y, change []float64) []float64 {
		for i := range y {
			y[i] += scale * change[i]
		}
		return y
	}
	down, up := v[Prefix+"."+convModule+endDown], v[Prefix+"."+convModule+endUp]
	y := add(conv(v[convModule+".weight"], 5, v[convModule+".bias"]), product(conv(down, rank, nil), up, rank, 5))
	down, up = v[Prefix+"."+productModule+endDown], v[Prefix+"."+productModule+endUp]
	y = add(product(y, v[productModule+".weight"], 5, 4), product(product(y, down, 5, rank), up, rank, 4))
	for i := range y {
		sum += float64(float32(coefficient(i))) * y[i]
	}
	return sum
}

func coefficient(i int) float64 { return math.Sin(float64(3*i + 1)) }

// TestFactorsGradient holds the gradients of the factors of a product and a convolution
// against differences in float64; none are computed of the layers' own weights.
func TestFactorsGradient(t *testing.T) {
	const rank, alpha = 2, 3.0
	f, err := Factors{Rank: rank, Alpha: alpha, Targets: TargetConvolutions}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	g := graph.New()
	b := nn.NewBuilder(g)
	y := twoLayers(b.Adapted(f.Adapter("", true)))
	loss := g.ReduceAll(graph.ReduceSum, g.Mul(y, g.Input("c", y.Shape()...)))
	vars, exact := engine.Vars{}, map[string][]float64{}
	var names []string
	var params []graph.Value
	for i, p := range b.Params() {
		v := tensor.New(p.Shape...)
		tensor.NewStream(uint64(i)).Normal(v.F32)
		for _, x := range v.F32 {
			exact[p.Name] = append(exact[p.Name], float64(x))
		}
		vars[p.Name] = v
		if strings.HasPrefix(p.Name, Prefix+".") {
			names, params = append(names, p.Name), append(params, g.Param(p.Name, p.Shape...))
		}
	}
	outputs := append([]graph.Value{loss}, g.Gradients(loss, params)...)
	prog, err := engine.CompileWith(cpu.New(cpu.Options{}), g, outputs, vars, engine.Options{Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	x := make([]float64, 48)
	tensor.NewStream(77).Normal(prog.Input("x").F32)
	for i, v := range prog.Input("x").F32 {
		x[i] = float64(v)
	}
	for i := range prog.Input("c").F32 {
		prog.Input("c").F32[i] = float32(coefficient(i))
	}
	if err := prog.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := exactly(x, exact, rank, alpha/rank); math.Abs(float64(prog.Output(0).F32[0])-want) > 1e-4*math.Abs(want)+1e-4 {
		t.Errorf("the result is %g, want %g", prog.Output(0).F32[0], want)
	}
	if len(names) != 4 || !slices.Equal(Modules(names), []string{convModule, productModule}) {
		t.Errorf("the factors are %q", names)
	}
	for k, name := range names {
		for i, got := range prog.Output(1 + k).F32 {
			const step = 1e-5
			before := exact[name][i]
			exact[name][i] = before + step
			above := exactly(x, exact, rank, alpha/rank)
			exact[name][i] = before - step
			below := exactly(x, exact, rank, alpha/rank)
			exact[name][i] = before
			if want := (above - below) / (2 * step); math.Abs(float64(got)-want) > 1e-4*math.Abs(want)+1e-3 {
				t.Errorf("gradient %d of %s is %g, want %g", i, name, got, want)
			}
		}
	}
}

// TestTargets: each kind of target adds layers to the one before.
func TestTargets(t *testing.T) {
	unet, text := "model.diffusion_model.", "cond_stage_model.transformer."
	for _, c := range []struct {
		module                          string
		attention, all, convs, fromText bool
	}{
		{unet + "input_blocks.1.1.transformer_blocks.0.attn2.to_out.0", true, true, true, false},
		{unet + "input_blocks.1.1.transformer_blocks.0.ff.net.0.proj", false, true, true, false},
		{unet + "input_blocks.1.1.proj_in", false, true, true, false},
		{unet + "input_blocks.1.0.in_layers.2", false, false, true, false},
		{unet + "output_blocks.2.1.conv", false, false, true, false},
		{unet + "time_embed.0", false, false, false, false},
		{unet + "out.2", false, false, false, false},
		{text + "text_model.encoder.layers.3.mlp.fc1", false, false, false, true},
		{text + "attn_layers.layers.0.1.to_q", false, false, false, true},
		{"cond_stage_model.model.transformer.resblocks.0.attn.in_proj", false, false, false, true},
		{"cond_stage_model.model.transformer.resblocks.0.mlp.c_proj", false, false, false, true},
		{"first_stage_model.encoder.mid.attn_1.q", false, false, false, false},
	} {
		for _, k := range []struct {
			targets Targets
			text    bool
			want    bool
		}{{TargetAttention, false, c.attention}, {TargetLinear, false, c.all}, {TargetConvolutions, false, c.convs}, {TargetAttention, true, c.attention || c.fromText}} {
			f := Factors{Rank: 1, Targets: k.targets, TextEncoder: k.text}
			if got := f.changes(nn.Layer{Name: c.module}); got != k.want {
				t.Errorf("%s with targets %s, text encoder %t: %t", c.module, k.targets, k.text, got)
			}
		}
	}
}
