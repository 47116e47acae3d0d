package conditioner

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// openCLIPRoot is where FrozenOpenCLIPEmbedder keeps OpenCLIP's model.
const openCLIPRoot = "model"

// layerPenultimate leaves the last layer out.
const layerPenultimate = "penultimate"

// openTowers are the text towers of OpenCLIP's models, by their names there.
var openTowers = map[string]CLIP{
	"ViT-B-16":    {Width: 512, Heads: 8, Layers: 12},
	"ViT-B-32":    {Width: 512, Heads: 8, Layers: 12},
	"ViT-L-14":    {Width: 768, Heads: 12, Layers: 12},
	"ViT-H-14":    {Width: 1024, Heads: 16, Layers: 24},
	"ViT-g-14":    {Width: 1024, Heads: 16, Layers: 24},
	"ViT-bigG-14": {Width: 1280, Heads: 20, Layers: 32},
}

// FrozenOpenCLIP holds the arguments of FrozenOpenCLIPEmbedder of Stable Diffusion
// v2. The last four are this program's own, for towers that have no name.
type FrozenOpenCLIP struct {
	Arch      string `yaml:"arch"`       // ViT-H-14, the default
	Version   string `yaml:"version"`    // of consequence to downloads alone
	Device    string `yaml:"device"`     // of no consequence
	MaxLength int    `yaml:"max_length"` // 77
	Freeze    *bool  `yaml:"freeze"`     // of no consequence: see cond_stage_trainable
	Layer     string `yaml:"layer"`      // last, the default, or penultimate

	Width  int `yaml:"width"`
	Heads  int `yaml:"heads"` // default: of 64 channels
	Layers int `yaml:"layers"`
	Vocab  int `yaml:"vocab_size"`
}

// Tower is the text tower that the arguments name.
func (f FrozenOpenCLIP) Tower() (CLIP, error) {
	if f.Arch == "" {
		f.Arch = "ViT-H-14"
	}
	tower, ok := openTowers[f.Arch]
	if !ok {
		return CLIP{}, fault.Unsupportedf("openclip arch %q: want one of %s", f.Arch, strings.Join(slices.Sorted(maps.Keys(openTowers)), ", "))
	}
	if f.Width != 0 {
		tower.Width, tower.Heads = f.Width, f.Width/64
	}
	tower.Vocab, tower.MaxLen, tower.GELU, tower.OpenCLIP = ViTL14.Vocab, ViTL14.MaxLen, true, true
	for _, set := range []struct {
		from int
		to   *int
	}{{f.Heads, &tower.Heads}, {f.Layers, &tower.Layers}, {f.Vocab, &tower.Vocab}} {
		if set.from != 0 {
			*set.to = set.from
		}
	}
	switch {
	case f.MaxLength != 0 && f.MaxLength != tower.MaxLen:
		return CLIP{}, fault.Unsupportedf("openclip max_length %d: want %d", f.MaxLength, tower.MaxLen)
	case f.Layer == layerPenultimate && tower.Layers > 1:
		tower.Skip = 1
	case f.Layer != "" && f.Layer != layerLast:
		return CLIP{}, fault.Unsupportedf("openclip layer %q: want %s or %s", f.Layer, layerLast, layerPenultimate)
	}
	return tower, tower.validate()
}

// buildOpen is BuildEmbedded with OpenCLIP's names. What the tower for pictures and
// the projection would need is declared, as files hold it, and read by nothing.
func (c CLIP) buildOpen(b nn.Builder, x graph.Value) graph.Value {
	y := c.openHidden(b, x)
	b.Declare("text_projection", nn.Uniform(c.Width), c.Width, c.Width)
	b.Declare("logit_scale", nn.Zeros)
	return y
}

// openHidden is the output of the final norm [N, L, Width], with the names of OpenAI's
// model, whose queries, keys and values have one matrix.
func (c CLIP) openHidden(b nn.Builder, x graph.Value) graph.Value {
	g := b.G
	x = c.addPositions(b, x, b.Param("positional_embedding", nn.Normal, c.MaxLen, c.Width))
	x = c.layers(x, func(i int, x graph.Value) graph.Value {
		l := c.counted(i, b.In("transformer").In("resblocks").In(strconv.Itoa(i)))
		a := l.In("attn")
		h := nn.LayerNorm(l.In("ln_1"), x)
		qkv := g.Linear(h, a.Param("in_proj_weight", nn.Uniform(c.Width), 3*c.Width, c.Width), a.Param("in_proj_bias", nn.Zeros, 3*c.Width))
		parts := g.Split(a.In("in_proj").Around(h, qkv), 2, 3)
		x = g.Add(x, nn.Linear(a.In("out_proj"), c.attend(b, parts[0], parts[1], parts[2]), c.Width))
		h = nn.LayerNorm(l.In("ln_2"), x)
		return g.Add(x, c.feedForward(l.In("mlp").In("c_fc"), l.In("mlp").In("c_proj"), h))
	})
	return nn.LayerNorm(b.In("ln_final"), x)
}
