package lora

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// stableDiffusion is the table of Stable Diffusion v1, at another width of the
// U-Net if that is not 320.
func stableDiffusion(t testing.TB, channels int, tower conditioner.CLIP) *Base {
	t.Helper()
	u := unet.Default()
	u.InChannels, u.OutChannels, u.ModelChannels, u.NumResBlocks = 4, 4, channels, 2
	u.AttentionResolutions, u.ChannelMult, u.NumHeads = []int{4, 2, 1}, []int{1, 2, 4, 4}, 8
	u.UseSpatialTransformer, u.ContextDim = true, tower.Width
	g := graph.New()
	b := nn.NewBuilder(g)
	u.Build(b.In("model").In("diffusion_model"), unet.Inputs{X: g.Input("x", 1, 8, 8, 4), T: g.Input("t", 1), Context: g.Input("c", 1, 4, tower.Width)})
	tower.Build(b.In("cond_stage_model"), g.IntInput("tokens", 1, 4))
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	return NewBase(b.Params(), u)
}

// TestPublished: files as people publish them fit Stable Diffusion v1 whole.
func TestPublished(t *testing.T) {
	dir := filepath.Join(golden.Folder(t), "..", "real", "lora")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no published files: ", err)
	}
	b := stableDiffusion(t, 320, conditioner.ViTL14)
	for name, want := range map[string]int{
		"cloneofsimo-analog_svd_rank4.safetensors": 192, "diffusers-new-pokemon.safetensors": 128,
		"peft-text_encoder-sd15.safetensors": 24, "lycoris-lokr-smart_falcon_4.safetensors": 350,
	} {
		f := open(t, b, filepath.Join(dir, name))
		if f.Changes() != want {
			t.Errorf("%s changes %d weights: want %d", name, f.Changes(), want)
		}
		n := 0
		for weight, modules := range f.changes { // some of them, computed
			if n++; n > 6 {
				break
			}
			x, err := f.Adapter.weightChange(modules[0].module, b.shapes[weight])
			if err != nil || len(x) != b.shapes[weight].Size() {
				t.Errorf("%s: %s: %d numbers, %v", name, weight, len(x), err)
			}
		}
	}
}

// tiny is a base of one attention and one convolution at a time.
var tinyTower = conditioner.CLIP{Width: 32, Heads: 2, Layers: 1, Vocab: 16, MaxLen: 8}

const (
	toQ    = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
	kohyaQ = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
	diffQ  = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
)

func fill(shape ...int) *tensor.Tensor {
	x := tensor.New(shape...)
	tensor.NewStream(7, uint64(len(x.F32))).Normal(x.F32)
	return x
}

func write(t testing.TB, tensors map[string]*tensor.Tensor, meta map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.safetensors")
	if err := checkpoint.Save(path, tensors, meta, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	return path
}

// changeOf is the change of to_q, of zeros, at strength 1.
func changeOf(t *testing.T, b *Base, path string) []float32 {
	t.Helper()
	f := open(t, b, path)
	out, err := Merge(context.Background(), engine.Vars{toQ: tensor.New(32, 32)}, []Strong{{f, 1, 1}}, tensor.F32)
	if err != nil || out[toQ] == nil {
		t.Fatal(out, err)
	}
	return out[toQ].F32
}

// TestPEFTScales: strengths come from the header or from adapter_config.json, with
// patterns for single modules and the scaling by the rank's root.
func TestPEFTScales(t *testing.T) {
	b := stableDiffusion(t, 32, tinyTower)
	a, u := fill(4, 32), fill(32, 4)
	named := func(module, letter string) map[string]*tensor.Tensor {
		return map[string]*tensor.Tensor{module + ".lora_A" + letter + ".weight": a, module + ".lora_B" + letter + ".weight": u}
	}
	plain := changeOf(t, b, write(t, named(diffQ, ""), nil))
	header := func(text string) map[string]string { return map[string]string{headerKey: text} }
	beside := func(text string) string {
		path := write(t, named("base_model.model.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q", ".default"), nil)
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "adapter_config.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		path  string
		scale float64
	}{
		{write(t, named(diffQ, ".style"), nil), 1},
		{write(t, named(diffQ, ""), header(`{"unet.r": 4, "unet.lora_alpha": 8}`)), 2},
		{write(t, named(diffQ, ""), header(`{"unet.lora_alpha": 8, "unet.use_rslora": true}`)), 4},
		{write(t, named(diffQ, ""), header(`{"unet.lora_alpha": 8, "unet.alpha_pattern": {"attn1.to_q": 2, "to_q": 1}}`)), 0.5},
		{write(t, named(diffQ, ""), header(`{"text_encoder.lora_alpha": 8}`)), 1},
		{beside(`{"r": 4, "lora_alpha": 12}`), 3},
	} {
		got := changeOf(t, b, c.path)
		for i := range got {
			if math.Abs(float64(got[i])-c.scale*float64(plain[i])) > 1e-5 {
				t.Errorf("%s: element %d is %g: want %g times %g", c.path, i, got[i], c.scale, plain[i])
				break
			}
		}
	}
	for _, text := range []string{`{"unet.lora_alpha": "x"}`, `[`, `{"unet.fan_in_fan_out": true}`} {
		if _, err := Open(write(t, named(diffQ, ""), header(text))); err == nil {
			t.Errorf("header %s is taken", text)
		}
	}
}

// TestRefused names what is wrong with a file.
func TestRefused(t *testing.T) {
	b := stableDiffusion(t, 32, tinyTower)
	for _, c := range []struct {
		tensors map[string]*tensor.Tensor
		say     string
	}{
		{map[string]*tensor.Tensor{"x": fill(2)}, "holds no changes"},
		{map[string]*tensor.Tensor{kohyaQ + ".lora_up.weight": fill(32, 4)}, "lacks its down"},
		{map[string]*tensor.Tensor{kohyaQ + ".alpha": fill(1)}, "no matrices"},
		{map[string]*tensor.Tensor{kohyaQ + ".dora_scale": fill(32, 1)}, "no matrices"},
		{map[string]*tensor.Tensor{kohyaQ + ".lora_up.weight": fill(32, 4), kohyaQ + ".lora_down.weight": fill(3, 32)}, "for a weight of"},
		{map[string]*tensor.Tensor{kohyaQ + ".lora_up.weight": fill(32), kohyaQ + ".lora_down.weight": fill(1, 32)}, "want a matrix"},
		{map[string]*tensor.Tensor{kohyaQ + ".hada_w1_a": fill(32, 2)}, "lacks its hada_w1_b"},
		{map[string]*tensor.Tensor{kohyaQ + ".lokr_w1": fill(4, 4), kohyaQ + ".lokr_w2": fill(8, 9)}, "make 32x36"},
		{map[string]*tensor.Tensor{kohyaQ + ".oft_blocks": fill(4, 8, 8)}, "OFT"},
		{map[string]*tensor.Tensor{kohyaQ + ".diff": fill(32, 31)}, "for a weight of"},
		{map[string]*tensor.Tensor{kohyaQ + ".diff_b": fill(32)}, "attn1.to_q.bias in this model"},
		{map[string]*tensor.Tensor{diffQ + ".lora_A.a.weight": fill(2, 32), diffQ + ".lora_A.b.weight": fill(2, 32)}, "one adapter in a file"},
		{map[string]*tensor.Tensor{"unet:0:up": fill(32, 4), "unet:0:down": fill(4, 32)}, "counted and not named"},
		{map[string]*tensor.Tensor{kohyaQ + "s.diff": fill(32, 32)}, "the nearest name here is"},
	} {
		a, err := Open(write(t, c.tensors, nil))
		if err == nil {
			defer a.Close()
			_, err = b.Fit(a)
		}
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("error %v: want one with %q", err, c.say)
		}
	}
}

// TestTags reads A1111's language.
func TestTags(t *testing.T) {
	rest, tags, err := Tags("a cat, <lora:style:0.8> (red:1.2) <lora:two words:te=0.5:unet=-1><lyco:x> <lora:y:0.5:1>")
	if err != nil || rest != "a cat, (red:1.2)" || len(tags) != 4 {
		t.Fatal(rest, tags, err)
	}
	for i, want := range []Tag{{"style", .8, .8}, {"two words", -1, .5}, {"x", 1, 1}, {"y", 1, .5}} {
		if tags[i] != want {
			t.Errorf("%v: want %v", tags[i], want)
		}
	}
	if rest, tags, _ := Tags("  two  spaces <b>"); rest != "  two  spaces <b>" || tags != nil {
		t.Error("a prompt without adapters is changed")
	}
	for _, bad := range []string{"<lora:>", "<lora:x:much>", "<lora:x:1:1:4>", "<lora:x:dyn=4>", "<lora:x:NaN>"} {
		if _, _, err := Tags(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestFind looks adapters up by path and by name.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.safetensors", "sub/b.pt", "sub/a.safetensors", "c.txt"} {
		path := filepath.Join(dir, name)
		os.MkdirAll(filepath.Dir(path), 0o777)
		os.WriteFile(path, nil, 0o644)
	}
	for _, name := range []string{"b", "b.pt", "sub/b", "sub/a", filepath.Join(dir, "c.txt")} {
		if _, err := Find(name, dir); err != nil {
			t.Error(err)
		}
	}
	for name, say := range map[string]string{"a": "are called so", "c": "it has a, a, b", "none": "it has"} {
		if _, err := Find(name, dir); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzFit: whatever names and shapes a file has, it is fitted and merged, or
// refused.
func FuzzFit(f *testing.F) {
	b := stableDiffusion(f, 32, tinyTower)
	add := func(shapes map[string][]int, meta map[string]string) {
		header := map[string]any{}
		if meta != nil {
			header["__metadata__"] = meta
		}
		at := 0
		for name, s := range shapes {
			n := 4 * tensor.Shape(s).Size()
			header[name] = map[string]any{"dtype": "F32", "shape": s, "data_offsets": []int{at, at + n}}
			at += n
		}
		raw, _ := json.Marshal(header)
		f.Add(raw)
	}
	q := kohyaQ
	conv := "lora_unet_down_blocks_0_resnets_0_conv1"
	add(map[string][]int{q + ".lora_up.weight": {32, 2}, q + ".lora_down.weight": {2, 32}, q + ".alpha": {}, q + ".dora_scale": {1, 32}}, nil)
	add(map[string][]int{conv + ".lora_up.weight": {32, 2, 1, 1}, conv + ".lora_down.weight": {3, 32, 1, 1}, conv + ".lora_mid.weight": {2, 3, 3, 3}}, nil)
	add(map[string][]int{conv + ".hada_w1_a": {2, 32}, conv + ".hada_w1_b": {2, 32}, conv + ".hada_t1": {2, 2, 3, 3}, conv + ".hada_w2_a": {2, 32}, conv + ".hada_w2_b": {2, 32}, conv + ".hada_t2": {2, 2, 3, 3}}, nil)
	add(map[string][]int{q + ".lokr_w1": {4, 4}, q + ".lokr_w2_a": {8, 2}, q + ".lokr_w2_b": {2, 8}}, nil)
	add(map[string][]int{q + ".diff": {32, 32}, conv + ".diff_b": {32}}, nil)
	add(map[string][]int{diffQ + ".lora_A.weight": {2, 32}, diffQ + ".lora_B.weight": {32, 2}, diffQ + ".lora_B.bias": {32}}, map[string]string{headerKey: `{"unet.lora_alpha": 8}`})
	add(map[string][]int{"unet:0:up": {32, 2}, "unet:0:down": {2, 32}, "0": {32, 2}, "1": {2, 32}}, nil)
	base := engine.Vars{}
	for name, s := range b.shapes {
		base[name] = tensor.New(s...)
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		if len(header) > 1<<14 {
			return
		}
		readScales(nil, fstest.MapFS{besideFile: {Data: []byte(header)}}, true)
		raw := append([]byte{byte(len(header)), byte(len(header) >> 8), 0, 0, 0, 0, 0, 0}, header...)
		raw = append(raw, make([]byte, 1<<16)...)
		file, err := checkpoint.NewFile("fuzz", bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return
		}
		a, err := newAdapter(file)
		if err != nil {
			return
		}
		if a.scales, err = readScales(file.Metadata(), nil, false); err != nil {
			return
		}
		if fitted, err := b.Fit(a); err == nil {
			Merge(context.Background(), base, []Strong{{fitted, 1, 1}}, tensor.F32)
		}
	})
}
