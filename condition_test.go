package ldm

import (
	"errors"
	"image"
	"image/color"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// Overrides of the tiny model for each kind of condition.
var (
	plainUNet = []string{tinyUNet + "use_spatial_transformer=false", tinyUNet + "context_dim=0"}
	concat    = slices.Concat(plainUNet, []string{tinyParams + "conditioning_key=concat"})
	enlarging = slices.Concat(concat, []string{tinyUNet + "in_channels=7", tinyParams + "cond_stage_config={target: " + config.TargetIdentity + "}"})
	semantic  = slices.Concat(concat, []string{tinyUNet + "in_channels=7",
		tinyParams + "cond_stage_config={target: " + config.TargetSpatialRescaler + ", params: {n_stages: 1, in_channels: 12, out_channels: 3}}"})
	inpainting = slices.Concat(concat, []string{tinyUNet + "in_channels=9", tinyParams + "cond_stage_config=" + config.FirstStageAsCond})
	layouts    = []string{tinyParams + "cond_stage_key=coordinates_bbox",
		tinyParams + "cond_stage_config={target: " + config.TargetTransformer + ", params: {n_embed: 32, n_layer: 1, max_seq_len: 92, vocab_size: 8192, use_tokenizer: false}}"}
	labelled       = slices.Concat(plainUNet, []string{tinyParams + "conditioning_key=adm", tinyUNet + "num_classes=5"})
	hybrid         = []string{tinyText, tinyParams + "conditioning_key=hybrid", tinyParams + "scale_factor=0.5"}
	textInpainting = slices.Concat(hybrid, []string{tinyUNet + "in_channels=9"})
	editing        = slices.Concat(hybrid, []string{tinyUNet + "in_channels=8"})
)

// textModel is the tiny model, with a tokenizer if it takes texts.
func textModel(t *testing.T, overrides ...string) *Model {
	t.Helper()
	net := tinyNetwork(t, overrides...)
	var tok token.Tokenizer
	if net.Text != nil && !net.LayoutTokens() {
		tok = token.BERT()
	}
	return inMemory(t, net, tinyTarget(t, overrides...), tok, tinyWeights(t, net))
}

// labels is a map of labels in stripes.
func labels(w, h, shift int) *image.Paletted {
	palette := make(color.Palette, 12)
	for i := range palette {
		palette[i] = color.Gray{byte(20 * i)}
	}
	img := image.NewPaletted(image.Rect(0, 0, w, h), palette)
	for i := range img.Pix {
		img.Pix[i] = byte((i%w/4 + shift) % 12)
	}
	return img
}

// TestConditions: every kind of condition runs on a model of its kind, changes the
// picture, and gives a picture of the right size.
func TestConditions(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of computing")
	}
	whole, other := colourful(32, 16), image.NewNRGBA(image.Rect(0, 0, 32, 16))
	mask := holed(32, 16)
	for name, c := range map[string]struct {
		model []string
		pair  [2]Condition
		size  image.Point
	}{
		"super-resolution": {enlarging, [2]Condition{Picture{Image: colourful(8, 4)}, Picture{Image: image.NewNRGBA(image.Rect(0, 0, 8, 4))}}, image.Pt(16, 8)},
		"semantic map":     {semantic, [2]Condition{Picture{Image: labels(24, 16, 0)}, Picture{Image: labels(24, 16, 3)}}, image.Pt(24, 16)},
		"inpainting":       {inpainting, [2]Condition{Masked{Image: whole, Mask: mask}, Masked{Image: other, Mask: mask}}, image.Pt(32, 16)},
		"layout":           {layouts, [2]Condition{Layout{{Class: 3, X: .1, Y: .2, Width: .5, Height: .5}}, Layout{}}, image.Pt(16, 16)},
		"class":            {nil, [2]Condition{Class(0), Class(3)}, image.Pt(16, 16)},
		"label":            {labelled, [2]Condition{Class(0), Class(3)}, image.Pt(16, 16)},
		"text":             {[]string{tinyText}, [2]Condition{Prompt("a cat"), nil}, image.Pt(16, 16)},
		"text and picture": {editing, [2]Condition{Picture{Image: whole, Prompt: "snow"}, Picture{Image: whole, Prompt: "rain"}}, image.Pt(32, 16)},
		"picture and text": {editing, [2]Condition{Picture{Image: whole, Prompt: "snow"}, Picture{Image: other, Prompt: "snow"}}, image.Pt(32, 16)},
		"text and mask":    {textInpainting, [2]Condition{Masked{Image: whole, Mask: mask, Prompt: "snow"}, Masked{Image: whole, Mask: mask, Prompt: "rain"}}, image.Pt(32, 16)},
	} {
		t.Run(name, func(t *testing.T) {
			m := textModel(t, c.model...)
			var made [2]*Result
			for i, condition := range c.pair {
				made[i] = generate(t, m, Request{Condition: condition, Seeds: Seeds(1, 1), Steps: 2})
				if got := made[i].Images[0].Bounds().Size(); got != c.size {
					t.Errorf("a picture of %v, want %v", got, c.size)
				}
			}
			if slices.Equal(made[0].Pixels.F32, made[1].Pixels.F32) {
				t.Error("the condition changes nothing")
			}
			both := generate(t, m, Request{Condition: Each{c.pair[1], c.pair[0]}, Seeds: []uint64{9, 1}, Width: c.size.X, Height: c.size.Y, Steps: 2})
			same(t, "the second of two conditions", both.Pixels.Row(1).F32, made[0].Pixels.F32)
		})
	}
}

// TestMaskedKeepsPixels: an inpainting model's known pixels come back as they were.
func TestMaskedKeepsPixels(t *testing.T) {
	start := colourful(16, 16)
	for _, overrides := range [][]string{inpainting, textInpainting} {
		out := generate(t, textModel(t, overrides...), Request{Condition: Masked{Image: start, Mask: holed(16, 16)}, Steps: 2})
		for i := range 16 * 8 {
			if r, _, _, _ := out.Images[0].At(i%8, i/8).RGBA(); byte(r>>8) != start.NRGBAAt(i%8, i/8).R {
				t.Fatalf("pixel %d, %d changed", i%8, i/8)
			}
		}
	}
}

// TestMaskedForText: Stable Diffusion's inpainting model takes the mask first, 0 and
// 1, and then the scaled latent of the picture with a grey hole.
func TestMaskedForText(t *testing.T) {
	m := textModel(t, textInpainting...)
	x, mask := random(1, 1, 4, 4, 3), tensor.New(1, 4, 4, 1)
	for i := range 8 {
		mask.F32[i] = 1
	}
	got, err := m.encodeMasked(t.Context(), x, mask)
	if err != nil {
		t.Fatal(err)
	}
	clear(x.F32[:8*3])
	z, err := m.encodePicture(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	for cell := range 4 {
		want := []float32{0, .5 * z.F32[cell*4], .5 * z.F32[cell*4+1], .5 * z.F32[cell*4+2], .5 * z.F32[cell*4+3]}
		if cell < 2 {
			want[0] = 1
		}
		if !slices.Equal(got.F32[cell*5:][:5], want) {
			t.Errorf("cell %d: %v, want %v", cell, got.F32[cell*5:][:5], want)
		}
	}
}

// TestBadConditions: what does not fit a model's kind of condition is refused.
func TestBadConditions(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of computing")
	}
	coloured, grey := colourful(16, 16), image.NewGray(image.Rect(0, 0, 16, 16))
	grey.SetGray(3, 2, color.Gray{12})
	for want, c := range map[string]struct {
		model []string
		kind  error
		r     Request
	}{
		"wants a map of labels":                 {semantic, ErrInput, Request{Condition: Picture{Image: coloured}}},
		"pixel at 3, 2 of the map has label 12": {semantic, ErrInput, Request{Condition: Picture{Image: grey}}},
		"the picture of the condition is":       {semantic, ErrInput, Request{Condition: Picture{}}},
		"has 8x8 pixels: want 16x16":            {enlarging, ErrInput, Request{Condition: Picture{Image: colourful(8, 8)}, Width: 32, Height: 32}},
		"the mask of the condition is missing":  {inpainting, ErrInput, Request{Condition: Masked{Image: coloured}}},
		"the mask has 8x8 pixels":               {inpainting, ErrInput, Request{Condition: Masked{Image: coloured, Mask: holed(8, 8)}}},
		`the prompt "snow"`:                     {inpainting, ErrUnsupported, Request{Condition: Masked{Image: coloured, Mask: holed(16, 16), Prompt: "snow"}}},
		"is not in the picture":                 {layouts, ErrInput, Request{Condition: Layout{{X: .8, Width: .5, Height: .1}}}},
		"at most 30 are allowed":                {layouts, ErrInput, Request{Condition: make(Layout, 31)}},
		`class "cat": want one of`:              {layouts, ErrInput, Request{Condition: Layout{{Name: "cat"}}}},
		"a group wants the number of classes":   {layouts, ErrUnsupported, Request{Condition: Layout{{Group: true}}}},
		"no empty condition to lead away from":  {layouts, ErrUnsupported, Request{Condition: Layout{}, Guidance: 2}},
		"conditioned on layouts":                {layouts, ErrUnsupported, Request{Condition: Prompt("a cat")}},
		"pictures and how to change them":       {editing, ErrUnsupported, Request{Condition: Class(1)}},
		"a text alone is no condition":          {editing, ErrInput, Request{Condition: Prompt("snow")}},
	} {
		_, err := textModel(t, c.model...).Generate(t.Context(), c.r)
		wantOneLine(t, err, want)
		if !errors.Is(err, c.kind) {
			t.Errorf("%v: not of the kind %q", err, c.kind)
		}
	}
}
