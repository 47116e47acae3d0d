package ldm

import (
	"image"
	"image/color"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/adapter/control"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// saveControl writes a ControlNet for the tiny model under its authors' names.
func saveControl(t *testing.T, m *Model, salt uint64) string {
	t.Helper()
	net := unet.Control{Config: m.net.UNet, Hint: []int{16, 24}}
	params, err := control.Params(net)
	if err != nil {
		t.Fatal(err)
	}
	tensors := map[string]*tensor.Tensor{}
	for _, p := range params {
		tensors["control_model."+p.Name] = golden.Weight(p.Name, p.Shape, salt)
	}
	return save(t, tensors, checkpoint.F32)
}

// squares is a picture of black and white squares.
func squares(side int) image.Image {
	img := image.NewGray(image.Rect(0, 0, side, side))
	for i := range img.Pix {
		if (i/side/4+i%side/4)%2 == 0 {
			img.Set(i%side, i/side, color.White)
		}
	}
	return img
}

// TestControl: ControlNets change pictures as much and as long as they are asked to,
// several add up, and neighbours in a batch do not matter.
func TestControl(t *testing.T) {
	m := tinyModel(t)
	path := saveControl(t, m, 7)
	net, err := m.OpenControlNet(path)
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	pictures := func(r Request) []float32 {
		t.Helper()
		if r.Seeds == nil {
			r.Seeds = []uint64{3}
		}
		r.Condition, r.Steps, r.Guidance = Class(1), 4, 3
		out, err := m.Generate(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(out.Pixels.F32)
	}
	with := func(c ...Control) []float32 { return pictures(Request{Controls: c}) }
	plain := pictures(Request{})
	full := with(Control{Net: net, Image: squares(16)})
	for name, other := range map[string][]float32{
		"nothing":         plain,
		"another picture": with(Control{Net: net, Image: image.NewGray(image.Rect(0, 0, 16, 16))}),
		"half of it":      with(Control{Net: net, Image: squares(16), Strength: .5}),
		"half of the way": with(Control{Net: net, Image: squares(16), End: .5}),
		"the other half":  with(Control{Net: net, Image: squares(16), Start: .5}),
		"deep cache":      pictures(Request{Controls: []Control{{Net: net, Image: squares(16)}}, Savings: Savings{DeepCache: DeepCache{Interval: 2}}}),
	} {
		if slices.Equal(full, other) {
			t.Errorf("%s gives the same picture", name)
		}
	}
	twice := with(Control{Net: net, Image: squares(16), Strength: .5}, Control{Net: net, Image: squares(16), Strength: .5})
	if e := golden.RelErr(twice, full); !(e < golden.Decoded) {
		t.Errorf("two halves are not a whole: %g", e)
	}
	two := pictures(Request{Controls: []Control{{Net: net, Image: squares(16)}}, Seeds: []uint64{3, 4}})
	if !slices.Equal(two[:len(full)], full) {
		t.Error("a picture depends on its neighbour")
	}
	big := squares(33) // stretched, and settles the size
	out, err := m.Generate(t.Context(), Request{Condition: Class(1), Steps: 1, Controls: []Control{{Net: net, Image: big}}})
	if err != nil || out.Images[0].Bounds().Dx() != 32 {
		t.Errorf("a picture of 33 pixels: %v", err)
	}
	for want, r := range map[string]Request{
		"lacks its net": {Controls: []Control{{Image: big}}},
		"strength -1":   {Controls: []Control{{Net: net, Image: big, Strength: -1}}},
		"two shares":    {Controls: []Control{{Net: net, Image: big, Start: .5, End: .5}}},
	} {
		r.Condition = Class(1)
		if _, err := m.Generate(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	other := tinyModel(t, tinyUNet+"context_dim=64", tinyParams+"cond_stage_config.params.embed_dim=64")
	if _, err := other.OpenControlNet(path); err == nil || !strings.Contains(err.Error(), "for another model") {
		t.Errorf("a ControlNet of another model: %v", err)
	}
}

// TestTinyDecoder: a tiny autoencoder takes the place of the first stage, for what
// comes out, what goes in, and previews.
func TestTinyDecoder(t *testing.T) {
	cfg := autoencoder.Config{Kind: autoencoder.Tiny, Tiny: autoencoder.TinyConfig{
		InChannels: 3, OutChannels: 3, LatentChannels: 4, Width: 8, EncoderBlocks: []int{1, 1}, DecoderBlocks: []int{1, 1},
	}}
	specs, err := model.StageParams(cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	weights := engine.Vars{}
	for _, s := range specs {
		weights[s.Name] = golden.Weight(s.Name, s.Shape, 5)
	}
	tiny := save(t, weights, checkpoint.F32)
	path := save(t, tinyWeights(t, tinyNetwork(t)), checkpoint.F32)
	writeConfig(t, filepath.Join(filepath.Dir(path), "config.yaml"))
	m, err := Open(path, Options{TinyDecoder: tiny})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	stage, err := OpenFirstStage(tiny, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	var last *tensor.Tensor
	r := Request{Condition: Class(1), Seeds: []uint64{3}, Steps: 2, OnStep: func(s Step) {
		last = s.X.Clone()
		if img, err := s.Preview(t.Context()); err != nil || img[0].Bounds().Dx() != 16 {
			t.Errorf("preview: %v", err)
		}
	}}
	out, err := m.Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	want, err := stage.Decode(t.Context(), last)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(out.Pixels.F32, want.F32) {
		t.Error("pictures are not those of the tiny decoder on the latents as they are diffused")
	}
	r.Start, r.OnStep = squares(16), nil
	if _, err := m.Generate(t.Context(), r); err != nil {
		t.Errorf("a start: %v", err)
	}
	if _, err := Open(path, Options{TinyDecoder: path}); err == nil || !strings.Contains(err.Error(), "want a tiny autoencoder") {
		t.Errorf("a whole model as a tiny decoder: %v", err)
	}
}
