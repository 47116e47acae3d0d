package sampler_test

import (
	"context"
	"encoding/json"
	"math"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// mixture is a distribution of latents whose best denoiser is a formula: in every
// pixel the channels are drawn from a mixture of normal distributions.
type mixture struct {
	Weights []float64   `json:"weights"`
	Stds    []float64   `json:"stds"`
	Means   [][]float64 `json:"means"`
}

func mixtureOf(t testing.TB, c *golden.Case) mixture {
	var file struct{ Mixture mixture }
	if err := json.Unmarshal(c.Raw, &file); err != nil {
		t.Fatal(err)
	}
	return file.Mixture
}

// clean is D(x; σ) for the channels of one pixel, x0 + σ·ε.
func (m mixture) clean(dst, x []float64, sigma float64) {
	logs := make([]float64, len(m.Weights))
	most := math.Inf(-1)
	for k, s := range m.Stds {
		v := s*s + sigma*sigma
		d := 0.0
		for c, mu := range m.Means[k] {
			d += (x[c] - mu) * (x[c] - mu)
		}
		logs[k] = math.Log(m.Weights[k]) - float64(len(x))/2*math.Log(v) - d/(2*v)
		most = max(most, logs[k])
	}
	sum := 0.0
	for k, l := range logs {
		logs[k] = math.Exp(l - most)
		sum += logs[k]
	}
	clear(dst)
	for k, s := range m.Stds {
		v := s*s + sigma*sigma
		for c, mu := range m.Means[k] {
			dst[c] += logs[k] / sum * (s*s*x[c] + sigma*sigma*mu) / v
		}
	}
}

// predict writes x0 and eps of the best denoiser at a noise level, times f.
func (m mixture) predict(x *tensor.Tensor, sigma, f float64, put func(i int, x0, eps float64)) {
	c := x.Shape[3]
	in, out := make([]float64, c), make([]float64, c)
	for at := 0; at < len(x.F32); at += c {
		for k := range in {
			in[k] = float64(x.F32[at+k]) * math.Sqrt(1+sigma*sigma)
		}
		m.clean(out, in, sigma)
		for k, v := range out {
			put(at+k, v, (in[k]-v)/sigma*f)
		}
	}
}

// denoiser is the best denoiser, and tells seen at which noise levels it is asked.
func (m mixture) denoiser(s *diffusion.Schedule, seen *[]float64) sampler.Denoiser {
	return func(_ context.Context, x *tensor.Tensor, t float64) (sampler.Prediction, error) {
		p := sampler.Prediction{X0: tensor.New(x.Shape...), Eps: tensor.New(x.Shape...)}
		sigma := s.Sigma(t)
		*seen = append(*seen, sigma)
		m.predict(x, sigma, 1, func(i int, x0, eps float64) { p.X0.F32[i], p.Eps.F32[i] = float32(x0), float32(eps) })
		return p, nil
	}
}

// network stands in for a trained network, which is not quite right: its noise is
// larger by a factor that depends on the timestep, and it knows the schedule's
// timesteps alone, whole ones where whole is true, or those asked.
func (m mixture) network(s *diffusion.Schedule, whole bool, asked []float64, seen *[]float64) sampler.Denoiser {
	return sampler.Unguided(func(_ context.Context, x *tensor.Tensor, t float64, _ ...int) ([]*tensor.Tensor, error) {
		*seen = append(*seen, s.Sigma(t))
		t = s.Known(t)
		if whole {
			t = float64(s.Nearest(t))
		}
		if asked != nil {
			t = asked[len(*seen)-1]
		}
		sigma := s.Sigma(t)
		alpha, std := s.Coefficients(t)
		f := 1 + .1*math.Sin(t/50)
		out := tensor.New(x.Shape...)
		m.predict(x, sigma, 1, func(i int, x0, eps float64) {
			if s.Parameterization == diffusion.V {
				eps = alpha*eps - std*x0
			}
			out.F32[i] = float32(eps * f)
		})
		return []*tensor.Tensor{out}, nil
	}, s, 1)
}
