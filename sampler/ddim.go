// Package sampler turns noise into latents. Each sampler is one function over a
// Denoiser; it knows nothing of networks.
package sampler

import (
	"context"
	"fmt"
	"math"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/tensor"
)

// Denoiser predicts the noise in x [N, H, W, C] at timestep t of the training
// schedule, the same for all pictures.
type Denoiser func(x *tensor.Tensor, t int) (*tensor.Tensor, error)

// Grid lists the timesteps of a sampler, rising.
type Grid []int

// Uniform spreads exactly steps timesteps evenly, the last step ending at the
// cleanest. The timesteps are i·T/steps + 1, as the reference has them where
// steps divides T.
func Uniform(steps, timesteps int) (Grid, error) {
	if steps < 1 || steps > timesteps {
		return nil, fmt.Errorf("%d steps: want 1 to %d", steps, timesteps)
	}
	grid := make(Grid, steps)
	for i := range grid {
		grid[i] = min(i*timesteps/steps+1, timesteps-1)
	}
	return grid, nil
}

// CompVis spreads steps timesteps as the reference does: with a stride of T/steps
// rounded down, which may give more steps than asked for, and none for a
// number of steps whose grid runs over the end.
func CompVis(steps, timesteps int) (Grid, error) {
	if steps < 1 || steps > timesteps {
		return nil, fmt.Errorf("%d steps: want 1 to %d", steps, timesteps)
	}
	var grid Grid
	stride := timesteps / steps
	for t := 1; t <= timesteps; t += stride {
		grid = append(grid, t)
	}
	if last := grid[len(grid)-1]; last >= timesteps {
		return nil, fmt.Errorf("%d steps: the reference's grid reaches timestep %d of %d; choose another number or the exact grid", steps, last, timesteps)
	}
	return grid, nil
}

// Quad spreads steps timesteps quadratically, denser at the clean end.
func Quad(steps, timesteps int) (Grid, error) {
	if steps < 1 || steps > timesteps {
		return nil, fmt.Errorf("%d steps: want 1 to %d", steps, timesteps)
	}
	grid := make(Grid, steps)
	top := math.Sqrt(float64(timesteps) * .8)
	for i := range grid {
		root := top / float64(max(steps-1, 1)) * float64(i)
		grid[i] = int(root*root) + 1
	}
	return grid, nil
}

// Options of DDIM.
type Options struct {
	Grid        Grid
	Eta         float64 // 0: deterministic; 1: as much noise as DDPM
	Temperature float64 // of the added noise; 0 means 1
	// Noise fills dst [N, H, W, C] with draws for step i (from 0); needed where Eta > 0.
	Noise func(step int, dst *tensor.Tensor)
	// Mask keeps X0 where it is 1: [N, H, W, 1] and [N, H, W, C].
	Mask, X0 *tensor.Tensor
	// MaskNoise fills dst with the noise that X0 gets at step i.
	MaskNoise func(step int, dst *tensor.Tensor)
	// Quantize changes the predicted x0 in place, as VQ first stages do.
	Quantize func(x0 *tensor.Tensor) error
	// Progress is told of every step done, with x and the predicted x0.
	Progress func(done, total int, x, x0 *tensor.Tensor)
}

// Sigmas are the coefficients of one step of DDIM.
type Sigmas struct{ Alpha, AlphaPrev, Sigma float64 }

// DDIMSigmas computes the coefficients for every timestep of a grid (Song et al.,
// arXiv 2010.02502, equation 16). The step after the last is ᾱ_0, not 1, as in
// the reference; all follow from float32 ᾱ.
func DDIMSigmas(s *diffusion.Schedule, grid Grid, eta float64) []Sigmas {
	out := make([]Sigmas, len(grid))
	for i, t := range grid {
		a := float64(float32(s.AlphasCumprod[t]))
		prev := float64(float32(s.AlphasCumprod[0]))
		if i > 0 {
			prev = float64(float32(s.AlphasCumprod[grid[i-1]]))
		}
		out[i] = Sigmas{a, prev, eta * math.Sqrt((1-prev)/(1-a)*(1-a/prev))}
	}
	return out
}

// DDIM denoises x [N, H, W, C] in place along the grid, from its end:
//
//	x0 = (x - √(1-ᾱ)·ε) / √ᾱ
//	x ← √ᾱ'·x0 + √(1-ᾱ'-σ²)·ε + σ·noise
func DDIM(ctx context.Context, s *diffusion.Schedule, denoise Denoiser, x *tensor.Tensor, o Options) error {
	sigmas := DDIMSigmas(s, o.Grid, o.Eta)
	noise, x0 := tensor.New(x.Shape...), tensor.New(x.Shape...)
	temperature := float32(o.Temperature)
	if o.Temperature == 0 {
		temperature = 1
	}
	for step := range o.Grid {
		if err := ctx.Err(); err != nil {
			return err
		}
		i := len(o.Grid) - 1 - step
		if o.Mask != nil {
			o.MaskNoise(step, noise)
			blend(s, x, o.X0, o.Mask, noise, o.Grid[i])
		}
		eps, err := denoise(x, o.Grid[i])
		if err != nil {
			return err
		}
		k := sigmas[i]
		rootA, root1A := float32(math.Sqrt(k.Alpha)), float32(math.Sqrt(1-k.Alpha))
		for j, e := range eps.F32 {
			x0.F32[j] = (x.F32[j] - root1A*e) / rootA
		}
		if o.Quantize != nil {
			if err := o.Quantize(x0); err != nil {
				return err
			}
		}
		a, b := float32(math.Sqrt(k.AlphaPrev)), float32(math.Sqrt(1-k.AlphaPrev-k.Sigma*k.Sigma))
		for j, e := range eps.F32 {
			x.F32[j] = a*x0.F32[j] + b*e
		}
		if k.Sigma > 0 {
			o.Noise(step, noise)
			for j, n := range noise.F32 {
				x.F32[j] += float32(k.Sigma) * temperature * n
			}
		}
		if err := finite(x, step); err != nil {
			return err
		}
		if o.Progress != nil {
			o.Progress(step+1, len(o.Grid), x, x0)
		}
	}
	return nil
}

// blend puts the noised x0 where mask is 1.
func blend(s *diffusion.Schedule, x, x0, mask, noise *tensor.Tensor, t int) {
	known := make([]float32, len(x.F32))
	s.QSample(known, x0.F32, noise.F32, t)
	c := x.Shape[3]
	for i, v := range known {
		m := mask.F32[i/c]
		x.F32[i] = v*m + (1-m)*x.F32[i]
	}
}

func finite(x *tensor.Tensor, step int) error {
	for _, v := range x.F32 {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("step %d: the denoiser's prediction is not finite", step+1)
		}
	}
	return nil
}

// Guided makes a denoiser of one that is given both halves of a batch,
// unconditional first: e = e_u + scale·(e_c - e_u) (section 3.3 and Ho and
// Salimans, arXiv 2207.12598).
func Guided(both func(x *tensor.Tensor, t int) (uncond, cond *tensor.Tensor, err error), scale float64) Denoiser {
	return func(x *tensor.Tensor, t int) (*tensor.Tensor, error) {
		u, c, err := both(x, t)
		if err != nil {
			return nil, err
		}
		out := tensor.New(x.Shape...)
		for i, v := range u.F32 {
			out.F32[i] = v + float32(scale)*(c.F32[i]-v)
		}
		return out, nil
	}
}

// Noise fills x [N, H, W, C] so that picture i depends on seeds[i] and the key
// alone: a picture of a batch equals the one made alone with its seed.
func Noise(x *tensor.Tensor, seeds []uint64, key uint64) {
	for i, seed := range seeds {
		tensor.NewStream(seed, key).Normal(x.Row(i).F32)
	}
}
