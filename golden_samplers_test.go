package ldm

import (
	"encoding/json"
	"image"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// TestGoldenPLMS and TestGoldenDDPM hold the reference's other samplers, over whole
// small models, against its trajectories. With a mask the reference blends outside
// of a step, which is the caller's loop here.
func TestGoldenPLMS(t *testing.T) {
	for _, c := range golden.Cases(t, "samplers/text-plms*") {
		t.Run(c.Base(), func(t *testing.T) {
			m := goldenModel(t, c)
			in := readInputs(t, c, m)
			r := in.request(t, c, m)
			r.Eta = nil
			r.Sampler, _, _ = sampler.Parse("PLMS")
			path, err := r.Sampler.Path(r.Schedule, m.net.Schedule, r.Steps)
			if err != nil {
				t.Fatal(err)
			}
			noise := draws(t, c)
			spare := tensor.New(in.x.Shape...)
			r.Noise = in.begin(func() {
				if in.x0 != nil {
					blend(in, m.net.Schedule, in.x, path.Timestep(0), noise)
				}
			})
			r.OnStep = func(s Step) {
				compareSteps(t, c, "x_steps", s.Done, s.X)
				compareSteps(t, c, "pred_x0_steps", s.Done, s.X0)
				if in.x0 == nil || s.Done == path.Steps() {
					return
				}
				for range map[bool]int{true: 2, false: 1}[s.Done == 1] {
					noise(spare, 0, 0) // drawn for a deviation of 0
				}
				blend(in, m.net.Schedule, s.X, path.Timestep(s.Done), noise)
			}
			if _, err := m.Generate(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestGoldenDDPM(t *testing.T) {
	for _, c := range golden.Cases(t, "samplers/text-ddpm*") {
		t.Run(c.Base(), func(t *testing.T) {
			m := goldenModel(t, c)
			in := readInputs(t, c, m)
			r := in.request(t, c, m)
			r.Steps, r.Guidance, r.Eta = 20, 1, nil
			r.Sampler, _, _ = sampler.Parse("DDPM")
			r.Schedule = sampler.Schedule{Name: "the last 20 timesteps", Levels: func(s *diffusion.Schedule, n int) ([]float64, error) {
				var times []int
				for i := range n {
					times = append(times, n-1-i)
				}
				return sampler.Along(s, times, true).Sigmas, nil
			}}
			noise := draws(t, c)
			begin := in.begin(func() {})
			r.Noise = func(seeds []uint64) sampler.Noise {
				first := begin(seeds)
				return func(dst *tensor.Tensor, from, to float64) {
					if from == to {
						first(dst, from, to)
						return
					}
					noise(dst, from, to)
				}
			}
			r.Decorate = func(d sampler.Denoiser) sampler.Denoiser {
				if strings.Contains(c.Base(), "clip1") {
					return sampler.Clipped(d)
				}
				return d
			}
			r.OnStep = func(s Step) {
				if in.x0 != nil {
					if s.Done == r.Steps {
						noise(s.X.Clone(), 0, 0) // the reference draws it all the same
					}
					blend(in, m.net.Schedule, s.X, float64(r.Steps-s.Done), noise)
				}
				compareSteps(t, c, "x_steps", s.Done, s.X)
				compareSteps(t, c, "pred_x0_steps", s.Done, s.X0)
			}
			if _, err := m.Generate(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestGoldenImageToImage begins with a noised latent, or a picture's, as the
// reference's DDIM does, which takes the noise of the step before.
func TestGoldenImageToImage(t *testing.T) {
	for _, pattern := range []string{"samplers/text-ddim-img2img", "samplers/text-img2img-pipeline"} {
		for _, c := range golden.Cases(t, pattern) {
			t.Run(c.Base(), func(t *testing.T) {
				m := goldenModel(t, c)
				in := readInputs(t, c, m)
				path, err := sampler.CompVis(m.net.Schedule, 10)
				if err != nil {
					t.Fatal(err)
				}
				r := in.request(t, c, m)
				var file struct {
					Steps float64 `json:"t_enc"`
				}
				if err := json.Unmarshal(c.Raw, &file); err != nil {
					t.Fatal(err)
				}
				r.Strength, r.Start = file.Steps/10, image.NewGray(image.Rect(0, 0, 1, 1))
				r.Sampler = r.Sampler.Or()
				g := &generation{Model: m, Request: r, path: path}
				p := part{generation: g, x: tensor.New(in.x.Shape...), rows: in.x.Shape[0], count: 1}
				noise := draws(t, c)
				if in.image != nil {
					if g.moments, err = m.stage.Moments(t.Context(), in.image); err != nil {
						t.Fatal(err)
					}
					in.x0 = p.draw(noise)
					compare(t, c, "init_latent", in.x0, golden.Forward)
				}
				rest := p.noised(in.x0, noise)
				compare(t, c, "encoded", p.x, golden.Forward)
				d, err := p.denoiser(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for _, err := range sampler.DDIM(t.Context(), d, p.x, rest, sampler.Options{}) {
					if err != nil {
						t.Fatal(err)
					}
				}
				compare(t, c, "sample", p.x, golden.Steps)
				if in.image != nil {
					y, err := m.decode(t.Context(), p.x)
					if err != nil {
						t.Fatal(err)
					}
					compare(t, c, "decoded", y, golden.Decoded)
				}
			})
		}
	}
}

// begin is noise that gives the latent of a case to begin with, after before.
func (in sampled) begin(before func()) func([]uint64) sampler.Noise {
	return func([]uint64) sampler.Noise {
		return func(dst *tensor.Tensor, _, _ float64) {
			before()
			copy(dst.F32, in.x.F32)
		}
	}
}

// blend puts the known latent, noised to a timestep, where the mask is 1.
func blend(in sampled, s *diffusion.Schedule, x *tensor.Tensor, t float64, noise sampler.Noise) {
	fresh := tensor.New(x.Shape...)
	noise(fresh, 0, 0)
	alpha, std := s.Coefficients(t)
	for i, e := range fresh.F32 {
		m := in.mask.F32[i/x.Shape[3]]
		x.F32[i] = m*(float32(alpha)*in.x0.F32[i]+float32(std)*e) + (1-m)*x.F32[i]
	}
}
