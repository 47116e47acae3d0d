package ldm

import (
	"encoding/json"
	"image"
	"math"
	"testing"

	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// TestImageToImageGolden: a latent or a picture to begin with leads to the
// reference's latents and pixels. Its noise is one step ahead of its timesteps.
func TestImageToImageGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "samplers") {
		var call struct {
			Steps int `json:"t_enc"`
		}
		if err := json.Unmarshal(c.Raw, &call); err != nil {
			t.Fatal(err)
		}
		if call.Steps == 0 {
			continue
		}
		t.Run(c.Base(), func(t *testing.T) { checkImageToImage(t, c, call.Steps) })
	}
}

func checkImageToImage(t *testing.T, c *golden.Case, steps int) {
	m := goldenModel(t, c)
	in := readInputs(t, c, m)
	r, err := m.resolve(in.request(t, c, m))
	if err != nil {
		t.Fatal(err)
	}
	r.Start, r.Strength = image.Black, float64(steps)/float64(r.Steps)
	g := &generation{Model: m, Request: r, encoded: map[any]Encoding{}}
	if g.path, err = sampler.CompVis(m.net.Schedule, r.Steps); err != nil {
		t.Fatal(err)
	}
	noise, skip := draws(t, c), 0
	if in.image != nil {
		if g.moments, err = m.stage.Moments(t.Context(), in.image); err != nil {
			t.Fatal(err)
		}
	} else {
		g.moments, skip = certain(in.x0, m.net.ScaleFactor), 1
	}
	g.Noise = func([]uint64) sampler.Noise {
		return func(dst *tensor.Tensor, from, to float64) {
			if skip > 0 {
				skip--
				return
			}
			noise(dst, from, to)
		}
	}
	z, err := g.latents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	compare(t, c, "sample", z, golden.Steps)
	if c.Has("decoded") {
		y, err := m.decode(t.Context(), z)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, c, "decoded", y, golden.Decoded)
	}
}

// certain are the moments of posteriors with almost no variance.
func certain(z *tensor.Tensor, scale float32) *tensor.Tensor {
	d := z.Shape[3]
	out := tensor.New(z.Shape[0], z.Shape[1], z.Shape[2], 2*d)
	for i, v := range z.F32 {
		at := i/d*2*d + i%d
		out.F32[at], out.F32[at+d] = v/scale, float32(math.Inf(-1))
	}
	return out
}
