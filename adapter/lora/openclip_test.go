package lora

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/nettest"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// tower is a text encoder alone.
type tower struct {
	g    *graph.Graph
	out  graph.Value
	base *Base
	vars engine.Vars
}

func newTower(t *testing.T, c conditioner.CLIP, a nn.Adapter) tower {
	t.Helper()
	g := graph.New()
	b := nn.NewBuilder(g).Adapted(a)
	out := c.Build(b.In("cond_stage_model"), g.IntInput("tokens", 2, c.MaxLen))
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	vars := engine.Vars{}
	for _, p := range b.Params() {
		vars[p.Name] = golden.Weight(p.Name, p.Shape, 5)
	}
	return tower{g, out, NewBase(b.Params(), unet.Config{}), vars}
}

func (n tower) run(t *testing.T, vars engine.Vars) []float32 {
	t.Helper()
	tokens := tensor.NewInt(2, 8)
	for i := range tokens.I32 {
		tokens.I32[i] = int32(i * 5 % 16)
	}
	all := maps.Clone(n.vars)
	maps.Copy(all, vars)
	return nettest.Compute(t, n.g, all, map[string]*tensor.Tensor{"tokens": tokens}, n.out)[0].F32
}

// openLayers is a text encoder like that of Stable Diffusion v2, under either naming.
var openLayers = conditioner.CLIP{Width: 32, Heads: 2, Layers: 3, Skip: 1, Vocab: 16, MaxLen: 8, GELU: true}

// sameNumbers are OpenCLIP's weights under Hugging Face's names, whose queries, keys and
// values are apart.
func sameNumbers(open engine.Vars) engine.Vars {
	out := engine.Vars{}
	names := strings.NewReplacer("cond_stage_model.model.transformer.resblocks", prefixHF+"text_model.encoder.layers", "ln_1", "layer_norm1", "ln_2", "layer_norm2",
		".attn.out_proj", ".self_attn.out_proj", "c_fc", "fc1", "c_proj", "fc2", "cond_stage_model.model.token_embedding", prefixHF+"text_model.embeddings.token_embedding",
		"cond_stage_model.model.positional_embedding", prefixHF+"text_model.embeddings.position_embedding.weight", "cond_stage_model.model.ln_final", prefixHF+"text_model.final_layer_norm")
	for name, v := range open {
		head, kind, ok := strings.Cut(name, ".attn.in_proj_")
		if !ok {
			out[names.Replace(name)] = v
			continue
		}
		for i, leaf := range []string{"q_proj", "k_proj", "v_proj"} {
			n := len(v.F32) / 3
			part := tensor.Of(v.F32[i*n:(i+1)*n], append([]int{v.Shape[0] / 3}, v.Shape[1:]...)...)
			out[names.Replace(head)+".self_attn."+leaf+"."+kind] = part
		}
	}
	return out
}

// factorsOf are those of a LoRA of some modules, by Hugging Face's names, and what it adds to
// each weight, summed here.
func factorsOf(rank int, alpha float64) (down, up, sums map[string]*tensor.Tensor) {
	down, up, sums = map[string]*tensor.Tensor{}, map[string]*tensor.Tensor{}, map[string]*tensor.Tensor{}
	for layer := range 2 {
		for _, leaf := range []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2"} {
			name := fmt.Sprintf("text_model.encoder.layers.%d.%s", layer, leaf)
			out, in := 32, 32
			switch leaf {
			case "mlp.fc1":
				out = 128
			case "mlp.fc2":
				in = 128
			}
			d, u, sum := golden.Weight(name+".d", []int{rank, in}, 8), golden.Weight(name+".u", []int{out, rank}, 9), tensor.New(out, in)
			for i := range sum.F32 {
				x := 0.0
				for r := range rank {
					x += float64(u.F32[i/in*rank+r]) * float64(d.F32[r*in+i%in])
				}
				sum.F32[i] = float32(alpha / float64(rank) * x)
			}
			down[name], up[name], sums[name] = d, u, sum
		}
	}
	return down, up, sums
}

// TestOpenCLIP: LoRAs for Stable Diffusion v2 name its text encoder's modules as Hugging Face
// does; on OpenCLIP's own names, whose queries, keys and values are one matrix, the text
// encoder says what Hugging Face's says with the sums of weights made here. Undone, the bits
// of the weights are back.
func TestOpenCLIP(t *testing.T) {
	const rank, alpha, strength = 3, 2, 0.8
	ours := openLayers
	ours.OpenCLIP = true
	open, theirs := newTower(t, ours, nil), newTower(t, openLayers, nil)
	down, up, sums := factorsOf(rank, alpha)
	want := sameNumbers(open.vars)
	plain := theirs.run(t, want)
	for name, sum := range sums {
		w := want[prefixHF+name+".weight"].Clone()
		for i, x := range sum.F32 {
			w.F32[i] += strength * x
		}
		want[prefixHF+name+".weight"] = w
	}
	expected := theirs.run(t, want)
	if slices.Equal(plain, expected) {
		t.Fatal("the changes have no effect")
	}
	forms := map[string]func(name string) (down, up, alpha string){
		"kohya": func(name string) (string, string, string) {
			m := "lora_te_" + low(name)
			return m + ".lora_down.weight", m + ".lora_up.weight", m + ".alpha"
		},
		"diffusers": func(name string) (string, string, string) {
			m := "text_encoder." + name
			return m + ".lora_linear_layer.down.weight", m + ".lora_linear_layer.up.weight", m + ".alpha"
		},
		"peft": func(name string) (string, string, string) {
			m := "text_encoder." + name
			return m + ".lora_A.weight", m + ".lora_B.weight", m + ".alpha"
		},
		"A1111's table": func(name string) (string, string, string) {
			if strings.Contains(name, "q_proj") || strings.Contains(name, "k_proj") || strings.Contains(name, "v_proj") {
				m := "lora_te_" + low(name)
				return m + ".lora_down.weight", m + ".lora_up.weight", m + ".alpha"
			}
			m := "lora_te_" + low(strings.NewReplacer("text_model.encoder.layers", "model.transformer.resblocks", "self_attn", "attn", "fc1", "c_fc", "fc2", "c_proj").Replace(name))
			return m + ".lora_down.weight", m + ".lora_up.weight", m + ".alpha"
		},
	}
	for form, names := range forms {
		file := map[string]*tensor.Tensor{}
		for name := range sums {
			d, u, a := names(name)
			file[d], file[u], file[a] = down[name], up[name], tensor.Of([]float32{alpha})
		}
		f := openFile(t, open.base, file)
		if f.Changes() != 8 { // in both layers: in_proj, out_proj, fc1, fc2
			t.Errorf("%s: %d weights are changed, want 8", form, f.Changes())
		}
		merged, err := Merge(context.Background(), open.vars, []Strong{{f, strength, strength}}, tensor.F32)
		if err != nil {
			t.Fatal(form, err)
		}
		if e := golden.RelErr(open.run(t, merged), expected); e > 1e-5 {
			t.Errorf("%s: relative error %.2g", form, e)
		}
	}
}

func openFile(t *testing.T, b *Base, file map[string]*tensor.Tensor) *Fitted {
	t.Helper()
	return open(t, b, write(t, file, nil))
}

// TestTrainOpenCLIP: factors that were trained beside OpenCLIP's layers say the same once
// they are written, by the names that other programs know, and merged.
func TestTrainOpenCLIP(t *testing.T) {
	c := openLayers
	c.OpenCLIP = true
	factors, err := Factors{Rank: 2, Alpha: 3, Targets: TargetAttention, TextEncoder: true}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	trained, plain := newTower(t, c, factors.Adapter("", false)), newTower(t, c, nil)
	vars := engine.Vars{}
	for name, v := range trained.vars {
		if strings.HasPrefix(name, Prefix+".") {
			vars[name] = v
		}
	}
	if n := len(vars); n != 2*4*(c.Layers-c.Skip) {
		t.Errorf("%d factors, want two for each of four modules of the %d layers that count", n, c.Layers-c.Skip)
	}
	path := t.TempDir() + "/x.safetensors"
	if err := factors.Write(t.Context(), path, plain.base, vars, nil, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	merged, err := Merge(context.Background(), plain.vars, []Strong{{open(t, plain.base, path), 1, 1}}, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	if e := golden.RelErr(plain.run(t, merged), trained.run(t, nil)); e > golden.Forward {
		t.Errorf("relative error %.2g", e)
	}
}
