package features

import (
	"context"
	"fmt"
	"image"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// TestInception holds the network that FID is defined by against pytorch-fid, read
// from a file of the published form.
func TestInception(t *testing.T) {
	for _, c := range golden.Cases(t, "metrics") {
		if c.Base() != "inception-fid" {
			continue
		}
		weights := c.Weights(t)
		for name, w := range weights {
			if strings.HasSuffix(name, "running_var") {
				for i := range w.F32 {
					w.F32[i] = .5
				}
			}
			if strings.HasSuffix(name, "running_mean") {
				clear(w.F32)
			}
		}
		path := filepath.Join(t.TempDir(), "inception.safetensors")
		if err := checkpoint.Save(path, weights, nil, checkpoint.F32); err != nil {
			t.Fatal(err)
		}
		e, err := Open(path, "", cpu.New(cpu.Options{}), engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		features, logits, err := e.Vectors(context.Background(), pictures(c.Input(t, "x")))
		if err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string][][]float32{"pool3": features, "logits": logits} {
			var flat []float32
			for _, v := range got {
				flat = append(flat, v...)
			}
			if err := golden.RelErr(flat, c.Output(t, name).F32); !(err < 1e-4) {
				t.Errorf("%s: error %g", name, err)
			}
		}
		if e.Measure("FID") != "FID" || !strings.Contains(e.Filter, "299") {
			t.Errorf("%s, %s", e.Measure("FID"), e.Filter)
		}
	}
}

// pictures are bytes [N, 3, H, W] as pictures.
func pictures(x *tensor.Tensor) (list []*image.RGBA) {
	h, w := x.Shape[2], x.Shape[3]
	for n := range x.Shape[0] {
		img := image.NewRGBA(image.Rect(0, 0, w, h))
		for i := range h * w {
			for c := range 3 {
				img.Pix[4*i+c] = uint8(x.I32[(n*3+c)*h*w+i])
			}
			img.Pix[4*i+3] = 255
		}
		list = append(list, img)
	}
	return list
}

// TestSqueezeNet: features are those of a picture whatever its neighbours, and bear
// the network's name.
func TestSqueezeNet(t *testing.T) {
	e, err := SqueezeNet(cpu.New(cpu.Options{}), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	x := tensor.NewInt(3, 3, 64, 48)
	for i := range x.I32 {
		x.I32[i] = int32(i*i%251 + i%5)
	}
	imgs := pictures(x)
	all, _, err := e.Vectors(context.Background(), imgs)
	if err != nil {
		t.Fatal(err)
	}
	one, _, err := e.Vectors(context.Background(), imgs[2:])
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || len(all[0]) != 512 || golden.RelErr(all[2], one[0]) != 0 {
		t.Errorf("%d vectors of %d", len(all), len(all[0]))
	}
	if e.Measure("FID") != "FID-SqueezeNet" {
		t.Error(e.Measure("FID"))
	}
}

// TestCLIP: a file in Hugging Face's names gives what the same weights in OpenAI's
// give, for pictures and for texts.
func TestCLIP(t *testing.T) {
	v := vit{Size: 32, Patch: 8, Width: 64, Layers: 2, Heads: 1, Projection: 24}
	text := conditioner.CLIP{Width: 64, Heads: 1, Layers: 1, Vocab: 49408, MaxLen: 9}
	g := graph.New()
	b := nn.NewBuilder(g)
	v.build(b, g.Input("x", 1, 32, 32, 3))
	text.BuildPooled(b, g.IntInput("tokens", 1, 9), g.IntInput("end", 1), 24)
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	openai := nn.Initialize(b.Params(), 3)
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "openai.safetensors"), filepath.Join(dir, "hf.safetensors")}
	for i, tensors := range []map[string]*tensor.Tensor{openai, huggingFace(openai)} {
		if err := checkpoint.Save(paths[i], tensors, nil, checkpoint.F32); err != nil {
			t.Fatal(err)
		}
	}
	x := tensor.NewInt(1, 3, 40, 50)
	for i := range x.I32 {
		x.I32[i] = int32(i * 7 % 256)
	}
	var want [2][]float32
	for _, path := range paths {
		e, err := Open(path, "", cpu.New(cpu.Options{}), engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		got, _, err := e.Vectors(context.Background(), pictures(x))
		if err != nil {
			t.Fatal(err)
		}
		words, err := e.Text(context.Background(), "a red apple")
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range [][]float32{got[0], words} {
			if want[k] == nil {
				want[k] = v
			} else if err := golden.RelErr(v, want[k]); !(err < 1e-6) {
				t.Errorf("%s: error %g", path, err)
			}
		}
		if s := CLIPScore(got[0], got[0]); s < 99.999 || s > 100.001 {
			t.Errorf("a vector has score %g with itself", s)
		}
	}
	if _, err := Open(paths[0], "clean", cpu.New(cpu.Options{}), engine.Options{}); err == nil {
		t.Error("CLIP with Inception's filter")
	}
}

// huggingFace renames weights, cuts queries, keys and values apart, and transposes
// projections.
func huggingFace(openai map[string]*tensor.Tensor) map[string]*tensor.Tensor {
	out := map[string]*tensor.Tensor{}
	for name, t := range openai {
		hf := name
		for _, r := range hfNames {
			hf = r.from.ReplaceAllString(hf, r.to)
		}
		at, kind, qkv := strings.Cut(hf, ".attn.in_proj_")
		switch {
		case qkv:
			n := t.Shape[0] / 3
			for i, which := range []string{"q", "k", "v"} {
				part := tensor.New(append([]int{n}, t.Shape[1:]...)...)
				copy(part.F32, t.F32[i*len(part.F32):])
				out[fmt.Sprintf("%s.self_attn.%s_proj.%s", at, which, kind)] = part
			}
		case strings.HasSuffix(hf, "projection.weight"):
			turned := tensor.New(t.Shape[1], t.Shape[0])
			for i := range t.F32 {
				turned.F32[i%t.Shape[1]*t.Shape[0]+i/t.Shape[1]] = t.F32[i]
			}
			out[hf] = turned
		default:
			out[hf] = t
		}
	}
	return out
}

func TestUnknown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := checkpoint.Save(path, map[string]*tensor.Tensor{"a": tensor.New(2)}, nil, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, "", cpu.New(cpu.Options{}), engine.Options{}); err == nil || !strings.Contains(err.Error(), "Inception") {
		t.Errorf("%v", err)
	}
}
