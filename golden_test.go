package ldm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// TestGolden holds DDIM with guidance, over whole small models down to pixels,
// against the reference's trajectories.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "samplers") {
		if c.Sampler != "ddim" {
			continue // of the tests of other samplers
		}
		t.Run(c.Base(), func(t *testing.T) {
			m := goldenModel(t, c)
			in := readInputs(t, c, m)
			checkDDIM(t, c, m, in)
		})
	}
}

// goldenModel is the model of a case.
func goldenModel(t *testing.T, c *golden.Case) *Model {
	t.Helper()
	target := c.Target(t)
	net, err := model.New(target)
	if err != nil {
		t.Fatal(err)
	}
	tok := token.Tokenizer(nil)
	m := inMemory(t, net, target, tok, engine.Vars(c.Weights(t)))
	return m
}

// encoded is a condition whose encoding is known.
type encoded Encoding

func (e encoded) Encode(context.Context, *Model, int, int) (Encoding, error) { return Encoding(e), nil }

// encodings gives each row of a batch to a picture.
func encodings(c *tensor.Tensor, joined bool) Each {
	var each Each
	for i := range c.Shape[0] {
		e := encoded{Context: c.Row(i)}
		if joined {
			e = encoded{Joined: c.Row(i)}
		}
		each = append(each, e)
	}
	return each
}

// sampled is what the sampler of a case begins with.
type sampled struct{ x, cond, uncond, mask, x0, image *tensor.Tensor }

// readInputs encodes the inputs of a case by their names.
func readInputs(t *testing.T, c *golden.Case, m *Model) (in sampled) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		v := c.Input(t, name)
		var err error
		switch {
		case name == "x_T" || strings.HasPrefix(name, "x_T_"):
			in.x = v.ToNHWC()
		case name == "mask":
			in.mask = v.ToNHWC()
		case name == "image":
			in.image = v.ToNHWC()
		case name == "x0":
			in.x0 = v.ToNHWC()
		case name == "tokens":
			in.cond, err = m.EncodeTokens(t.Context(), v)
		case name == "uncond_tokens":
			in.uncond, err = m.EncodeTokens(t.Context(), v)
		case name == "class_label":
			in.cond, err = m.encodeIDs(t.Context(), "labels", v, 0)
		case name == "uncond_label":
			in.uncond, err = m.encodeIDs(t.Context(), "labels", v, 0)
		case name == "seg" || name == "lr":
			in.cond, err = m.encodePicture(t.Context(), v.ToNHWC())
		default:
			t.Skipf("input %s is not supported yet", name)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if m.net.Inpaints() {
		var err error
		if in.cond, err = m.encodeMasked(t.Context(), in.image, in.mask); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

func compVisSchedule(t *testing.T) sampler.Schedule {
	c, err := sampler.ParseSchedule("CompVis")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// request asks for what a case asks for.
func (in sampled) request(t *testing.T, c *golden.Case, m *Model) Request {
	f := m.stage.Factor()
	r := Request{
		Seeds: Seeds(0, in.x.Shape[0]), Height: in.x.Shape[1] * f, Width: in.x.Shape[2] * f, Steps: int(golden.Number(c.Steps)), Schedule: compVisSchedule(t),
		Eta: new(golden.Number(c.Eta)), Guidance: max(golden.Number(c.Scale), 1), Options: sampler.Options{NoiseScale: c.Temperature},
	}
	if in.cond != nil {
		r.Condition = encodings(in.cond, m.net.Key == model.KeyConcat)
	}
	if in.uncond != nil && r.Guidance != 1 {
		r.Negative = encodings(in.uncond, false)
	}
	return r
}

func checkDDIM(t *testing.T, c *golden.Case, m *Model, in sampled) {
	r := in.request(t, c, m)
	noise := draws(t, c)
	begun := false
	r.Noise = func([]uint64) sampler.Noise {
		return func(dst *tensor.Tensor, from, to float64) {
			if !begun {
				copy(dst.F32, in.x.F32)
				begun = true
				return
			}
			noise(dst, from, to)
		}
	}
	r.Decorate = func(d sampler.Denoiser) sampler.Denoiser {
		if c.QuantizeX0 {
			d = sampler.Quantised(d, func(z *tensor.Tensor) error { return m.stage.Quantize(t.Context(), z) })
		}
		if in.x0 != nil {
			d = sampler.Keep(d, m.net.Schedule, in.mask, in.x0, noise)
		}
		return d
	}
	r.OnStep = func(s Step) {
		if in.x0 != nil && *r.Eta == 0 {
			noise(s.X.Clone(), 0, 0) // the reference draws it all the same
		}
		compareSteps(t, c, "x_steps", s.Done, s.X)
		compareSteps(t, c, "pred_x0_steps", s.Done, s.X0)
	}
	out, err := m.Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if in.cond != nil && c.Has("c") {
		compare(t, c, "c", in.cond, golden.Forward)
	}
	if !c.Has("decoded") {
		return
	}
	compare(t, c, "decoded", out.Pixels, golden.Decoded)
	if in.image != nil {
		y := tensor.Of(slices.Clone(out.Pixels.F32), out.Pixels.Shape...)
		paste(y, in.image, in.mask)
		for i, v := range y.F32 {
			y.F32[i] = (v + 1) / 2
		}
		compare(t, c, "inpainted_0_1", y, golden.Decoded)
	}
}

// draws gives a case's stored noise, one after the other.
func draws(t *testing.T, c *golden.Case) sampler.Noise {
	i := 0
	return func(dst *tensor.Tensor, _, _ float64) {
		copy(dst.F32, c.Output(t, fmt.Sprintf("noise/%03d", i)).ToNHWC().F32)
		i++
	}
}

func compareSteps(t *testing.T, c *golden.Case, name string, done int, got *tensor.Tensor) {
	t.Helper()
	want := c.Output(t, name).Row(done - 1).ToNHWC()
	golden.Near(t, fmt.Sprintf("%s after step %d", name, done), got.F32, want.F32, golden.Steps)
}

func compare(t *testing.T, c *golden.Case, name string, got *tensor.Tensor, tolerance float64) {
	t.Helper()
	want := c.Output(t, name)
	if len(want.Shape) == 4 {
		want = want.ToNHWC()
	}
	golden.Near(t, name, got.F32, want.F32, tolerance)
}
