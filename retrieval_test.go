package ldm

import (
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/metric/features"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/retrieve"
	"github.com/ldm-go/ldm/tensor"
)

// clipWidth is the width of the vectors of tinyCLIP.
const clipWidth = 24

// tinyCLIP writes a small CLIP in OpenAI's names, with its encoders of pictures and of
// texts, and opens it.
func tinyCLIP(t *testing.T) *features.Extractor {
	t.Helper()
	g := graph.New()
	b := nn.NewBuilder(g)
	text := conditioner.CLIP{Width: 64, Heads: 1, Layers: 1, Vocab: 49408, MaxLen: 77}
	text.BuildPooled(b, g.IntInput("tokens", 1, 77), g.IntInput("end", 1), clipWidth)
	shapes := map[string]tensor.Shape{
		"conv1.weight": {64, 3, 8, 8}, "class_embedding": {64}, "positional_embedding": {17, 64}, "proj": {64, clipWidth},
		"ln_pre.weight": {64}, "ln_pre.bias": {64}, "ln_post.weight": {64}, "ln_post.bias": {64},
	}
	const block = "transformer.resblocks.0."
	for name, shape := range map[string]tensor.Shape{
		"ln_1.weight": {64}, "ln_1.bias": {64}, "ln_2.weight": {64}, "ln_2.bias": {64}, "attn.in_proj_weight": {192, 64}, "attn.in_proj_bias": {192},
		"attn.out_proj.weight": {64, 64}, "attn.out_proj.bias": {64}, "mlp.c_fc.weight": {256, 64}, "mlp.c_fc.bias": {256}, "mlp.c_proj.weight": {64, 256}, "mlp.c_proj.bias": {64},
	} {
		shapes[block+name] = shape
	}
	tensors := map[string]*tensor.Tensor{}
	for name, shape := range shapes {
		tensors["visual."+name] = golden.Weight("visual."+name, shape, 2)
	}
	for _, p := range b.Params() {
		tensors[p.Name] = golden.Weight(p.Name, p.Shape, 2)
	}
	e, err := features.Open(save(t, tensors, checkpoint.F32), "", cpu.New(cpu.Options{}), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// TestRetrieval: a prompt is its own vector of norm 1 and those of its neighbours, the
// nearest first; the guidance leads away from zeros; another database gives another
// picture.
func TestRetrieval(t *testing.T) {
	m := tinyModel(t, tinyUNet+"context_dim=24", tinyParams+"cond_stage_config={target: torch.nn.Identity}")
	if _, err := m.Generate(t.Context(), Request{Condition: Prompt("a red apple"), Steps: 1}); err == nil || !strings.Contains(err.Error(), "--clip") {
		t.Errorf("a text without an encoder: %v", err)
	}
	if _, err := m.Generate(t.Context(), Request{Steps: 1}); err == nil {
		t.Error("a picture of nothing")
	}
	clip := tinyCLIP(t)
	pictures := func(db *retrieve.Database, k int) []float32 {
		t.Helper()
		if err := m.SetRetrieval(clip, db, k); err != nil {
			t.Fatal(err)
		}
		out, err := m.Generate(t.Context(), Request{Condition: Prompt("a red apple"), Seeds: []uint64{3}, Steps: 2})
		if err != nil {
			t.Fatal(err)
		}
		if out.Request.Guidance != 5 {
			t.Errorf("guidance %g, want 5", out.Request.Guidance)
		}
		return slices.Clone(out.Pixels.F32)
	}
	database := func(seed uint64) *retrieve.Database {
		db, err := retrieve.New(random(seed, 30, clipWidth), nil, "tiny")
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	one := database(1)
	with := pictures(one, 4)
	if slices.Equal(with, pictures(one, 0)) || slices.Equal(with, pictures(database(2), 4)) {
		t.Error("the database has no effect")
	}
	from, err := NewRetriever(clip)
	if err != nil {
		t.Fatal(err)
	}
	v, err := from.Vectors(t.Context(), "a red apple", one, 4)
	if err != nil || len(v) != 5 {
		t.Fatal(len(v), err)
	}
	near, err := one.Search(t.Context(), v[0], 4)
	if err != nil || !slices.Equal(v[1], one.Vectors.Row(near[0].Index).F32) {
		t.Errorf("the second vector is not that of the nearest picture: %v", err)
	}
	zeros := make(Vectors, 5)
	for i := range zeros {
		zeros[i] = make([]float32, clipWidth)
	}
	out, err := m.Generate(t.Context(), Request{Condition: v, Negative: zeros, Seeds: []uint64{3}, Steps: 2, Guidance: 5})
	if err != nil || !slices.Equal(out.Pixels.F32, with) {
		t.Errorf("the same vectors, away from zeros, give another picture: %v", err)
	}
	if err := tinyModel(t).SetRetrieval(clip, one, 4); err == nil {
		t.Error("a model of classes takes vectors")
	}
	for want, do := range map[string]func() error{
		"has 30 pictures":  func() error { return m.SetRetrieval(clip, one, 31) },
		"want a database":  func() error { return m.SetRetrieval(clip, nil, 1) },
		"vectors of 5":     func() error { db, _ := retrieve.New(random(1, 3, 5), nil, ""); return m.SetRetrieval(clip, db, 1) },
		"encoder of texts": func() error { return m.SetRetrieval(nil, nil, 0) },
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
