package features

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// clipStructure is what the shapes of an image encoder tell. The heads have 64
// channels in all published ones.
func clipStructure(n named, hf bool) (v vit, err error) {
	names := map[bool][4]string{
		false: {"visual.conv1.weight", "visual.positional_embedding", "visual.proj", "visual.transformer.resblocks.%d.ln_1.weight"},
		true: {"vision_model.embeddings.patch_embedding.weight", "vision_model.embeddings.position_embedding.weight",
			"visual_projection.weight", "vision_model.encoder.layers.%d.layer_norm1.weight"},
	}[hf]
	conv, positions, projection := n.shape(names[0]), n.shape(names[1]), n.shape(names[2])
	if len(conv) != 4 || conv[1] != 3 || conv[2] < 1 || conv[2] != conv[3] || len(positions) != 2 || len(projection) != 2 || conv[0]%64 != 0 || conv[0] > 1<<13 {
		return v, fault.Filef("%s: %s %v, %s %v, %s %v are none of a vision transformer of CLIP", n.Name(), names[0], conv, names[1], positions, names[2], projection)
	}
	v = vit{Patch: conv[2], Width: conv[0], Heads: conv[0] / 64, Projection: projection[1]}
	if hf {
		v.Projection = projection[0]
	}
	side := int(math.Round(math.Sqrt(float64(positions[0] - 1))))
	if side < 1 || side*side != positions[0]-1 || side > 1<<8 {
		return v, fault.Filef("%s: %d positions: want one more than a square", n.Name(), positions[0])
	}
	v.Size = side * v.Patch
	for v.Layers < 256 && n.has(fmt.Sprintf(names[3], v.Layers)) {
		v.Layers++
	}
	return v, nil
}

// hfNames turn OpenAI's names into Hugging Face's.
var hfNames = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`^visual\.conv1\.weight$`), "vision_model.embeddings.patch_embedding.weight"},
	{regexp.MustCompile(`^visual\.class_embedding$`), "vision_model.embeddings.class_embedding"},
	{regexp.MustCompile(`^visual\.positional_embedding$`), "vision_model.embeddings.position_embedding.weight"},
	{regexp.MustCompile(`^visual\.ln_pre\.`), "vision_model.pre_layrnorm."},
	{regexp.MustCompile(`^visual\.ln_post\.`), "vision_model.post_layernorm."},
	{regexp.MustCompile(`^visual\.proj$`), "visual_projection.weight"},
	{regexp.MustCompile(`^visual\.transformer\.resblocks\.`), "vision_model.encoder.layers."},
	{regexp.MustCompile(`^transformer\.resblocks\.`), "text_model.encoder.layers."},
	{regexp.MustCompile(`^token_embedding\.weight$`), "text_model.embeddings.token_embedding.weight"},
	{regexp.MustCompile(`^positional_embedding$`), "text_model.embeddings.position_embedding.weight"},
	{regexp.MustCompile(`^ln_final\.`), "text_model.final_layer_norm."},
	{regexp.MustCompile(`^text_projection$`), "text_projection.weight"},
	{regexp.MustCompile(`\.ln_1\.`), ".layer_norm1."},
	{regexp.MustCompile(`\.ln_2\.`), ".layer_norm2."},
	{regexp.MustCompile(`\.attn\.out_proj\.`), ".self_attn.out_proj."},
	{regexp.MustCompile(`\.mlp\.c_fc\.`), ".mlp.fc1."},
	{regexp.MustCompile(`\.mlp\.c_proj\.`), ".mlp.fc2."},
}

// clip reads a parameter of OpenAI's name, in Hugging Face's layout too: there the
// projections are transposed, and queries, keys and values lie apart.
func (n named) clip(p nn.ParamSpec, hf bool) (*tensor.Tensor, error) {
	if !hf {
		return n.read(p.Name, p.Shape...)
	}
	name := p.Name
	for _, r := range hfNames {
		name = r.from.ReplaceAllString(name, r.to)
	}
	switch {
	case strings.HasSuffix(name, "projection.weight"):
		t, err := n.read(name, p.Shape[1], p.Shape[0])
		if err != nil {
			return nil, err
		}
		out := tensor.New(p.Shape...)
		for i := range out.F32 {
			out.F32[i] = t.F32[i%p.Shape[1]*p.Shape[0]+i/p.Shape[1]]
		}
		return out, nil
	case strings.Contains(name, ".attn.in_proj_"):
		out := tensor.New(p.Shape...)
		at, kind, _ := strings.Cut(name, ".attn.in_proj_")
		part := append([]int{p.Shape[0] / 3}, p.Shape[1:]...)
		for i, which := range []string{"q", "k", "v"} {
			t, err := n.read(fmt.Sprintf("%s.self_attn.%s_proj.%s", at, which, kind), part...)
			if err != nil {
				return nil, err
			}
			copy(out.F32[i*len(t.F32):], t.F32)
		}
		return out, nil
	}
	return n.read(name, p.Shape...)
}

// textTower is CLIP's encoder of texts.
type textTower struct {
	prog engine.Program
	conditioner.CLIP
}

// openText opens the text encoder beside the image encoder; nil if the file has none.
func openText(n named, hf bool, projection int, eng engine.Engine, opt engine.Options) (*textTower, error) {
	names := map[bool][3]string{
		false: {"token_embedding.weight", "positional_embedding", "transformer.resblocks.%d.ln_1.weight"},
		true:  {"text_model.embeddings.token_embedding.weight", "text_model.embeddings.position_embedding.weight", "text_model.encoder.layers.%d.layer_norm1.weight"},
	}[hf]
	table, positions := n.shape(names[0]), n.shape(names[1])
	if len(table) != 2 || len(positions) != 2 || table[1]%64 != 0 || table[1] < 64 {
		return nil, nil
	}
	t := &textTower{CLIP: conditioner.CLIP{Width: table[1], Heads: table[1] / 64, Vocab: table[0], MaxLen: positions[0]}}
	for t.Layers < 256 && n.has(fmt.Sprintf(names[2], t.Layers)) {
		t.Layers++
	}
	g := graph.New()
	b := nn.NewBuilder(g)
	y := t.BuildPooled(b, g.IntInput("tokens", 1, t.MaxLen), g.IntInput("end", 1), projection)
	if err := g.Err(); err != nil {
		return nil, fault.As(fault.File, err)
	}
	vars := engine.Vars{}
	for _, p := range b.Params() {
		var err error
		if vars[p.Name], err = n.clip(p, hf); err != nil {
			return nil, err
		}
	}
	var err error
	t.prog, err = engine.CompileWith(eng, g, []graph.Value{y}, vars, opt)
	return t, err
}

// Texts tells whether texts can be compared with pictures.
func (e *Extractor) Texts() bool { return e.text != nil }

// Text is the vector of a text, to be compared with those of pictures.
func (e *Extractor) Text(ctx context.Context, text string) ([]float32, error) {
	ids := e.text.prog.Input("tokens").I32
	token.CLIP().Encode(text, ids)
	copy(e.text.prog.Input("end").I32, conditioner.Ends(ids, e.text.MaxLen))
	if err := e.text.prog.Run(ctx); err != nil {
		return nil, err
	}
	return append([]float32(nil), e.text.prog.Output(0).F32...), nil
}

// CLIPScore is 100·max(cos(picture, text), 0): Hessel et al., "CLIPScore" (arXiv
// 2104.08718), with the weight that torchmetrics takes.
func CLIPScore(picture, text []float32) float64 {
	var dot, a, b float64
	for i, v := range picture {
		dot += float64(v) * float64(text[i])
		a += float64(v) * float64(v)
		b += float64(text[i]) * float64(text[i])
	}
	return max(100*dot/math.Sqrt(a*b), 0)
}
