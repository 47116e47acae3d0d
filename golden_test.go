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
		t.Run(c.Base(), func(t *testing.T) {
			if c.Sampler != "ddim" {
				t.Skipf("sampler %q is not supported yet", c.Sampler)
			}
			target := c.Target(t)
			net, err := model.New(target)
			if err != nil {
				t.Fatal(err)
			}
			tok := token.Tokenizer(nil)
			m := inMemory(t, net, target, tok, engine.Vars(c.Weights(t)))
			in := readInputs(t, c, m)
			checkDDIM(t, c, m, in)
		})
	}
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
			in.cond, err = m.encodeIDs(t.Context(), "tokens", v)
		case name == "uncond_tokens":
			in.uncond, err = m.encodeIDs(t.Context(), "tokens", v)
		case name == "class_label":
			in.cond, err = m.encodeIDs(t.Context(), "labels", v)
		case name == "uncond_label":
			in.uncond, err = m.encodeIDs(t.Context(), "labels", v)
		case name == "seg" || name == "lr":
			in.cond, err = m.EncodePicture(t.Context(), v.ToNHWC())
		default:
			t.Skipf("input %s is not supported yet", name)
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if in.image != nil { // an inpainting model: 1 is the hole
		var err error
		if in.cond, err = m.EncodeMasked(t.Context(), in.image, in.mask); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

func checkDDIM(t *testing.T, c *golden.Case, m *Model, in sampled) {
	denoise, err := m.guided(t.Context(), in.cond, golden.Number(c.Scale), func() (*tensor.Tensor, error) { return in.uncond, nil })
	if err != nil {
		t.Fatal(err)
	}
	path, err := sampler.CompVis(m.net.Schedule, int(golden.Number(c.Steps)))
	if err != nil {
		t.Fatal(err)
	}
	if c.QuantizeX0 {
		denoise = sampler.Quantised(denoise, func(z *tensor.Tensor) error { return m.stage.Quantize(t.Context(), z) })
	}
	noise := draws(t, c)
	if in.x0 != nil {
		denoise = sampler.Keep(denoise, m.net.Schedule, in.mask, in.x0, noise)
	}
	o := sampler.Options{Eta: golden.Number(c.Eta), NoiseScale: c.Temperature, Noise: noise}
	for state, err := range sampler.DDIM(context.Background(), denoise, in.x, path, o) {
		if err != nil {
			t.Fatal(err)
		}
		if in.x0 != nil && o.Eta == 0 {
			noise(in.x.Clone(), 0, 0) // the reference draws it all the same
		}
		compareSteps(t, c, "x_steps", state.Step, state.X)
		compareSteps(t, c, "pred_x0_steps", state.Step, state.X0)
	}
	if in.cond != nil && c.Has("c") {
		compare(t, c, "c", in.cond, golden.Forward)
	}
	if !c.Has("decoded") {
		return
	}
	y, err := m.DecodeLatents(t.Context(), in.x)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, c, "decoded", y, golden.Decoded)
	if in.image != nil {
		for i, v := range y.F32 {
			hole := in.mask.F32[i/3]
			y.F32[i] = (1-hole)*(in.image.F32[i]+1)/2 + hole*min(max((v+1)/2, 0), 1)
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
	if e := golden.RelErr(got.F32, want.F32); !(e < golden.Steps) {
		t.Errorf("%s after step %d: error %g", name, done, e)
	}
}

func compare(t *testing.T, c *golden.Case, name string, got *tensor.Tensor, tolerance float64) {
	t.Helper()
	want := c.Output(t, name)
	if len(want.Shape) == 4 {
		want = want.ToNHWC()
	}
	if e := golden.RelErr(got.F32, want.F32); !(e < tolerance) {
		t.Errorf("%s: error %g", name, e)
	}
}
