// Package sampler turns noise into latents. It knows nothing of networks: a
// Denoiser says what is clean and what is noise in a latent, a Path says through
// which noise levels to go, and a sampler is one function that goes it and yields
// the latent after every step:
//
//	d := sampler.Guided(network, schedule, sampler.Guidance{Scale: 7.5})
//	path, err := sampler.Even(schedule, 50)
//	...
//	noise := sampler.Streams(seeds)
//	noise(x, 0, 0) // [N, H, W, C], pure noise
//	for state, err := range sampler.DDIM(ctx, d, x, path, sampler.Options{}) {
//		if err != nil {
//			return err // ctx.Err() where the context was cancelled
//		}
//		progress(state.Step, state.Total)
//		preview(state.X0)
//		if enough {
//			break // x holds the latent so far
//		}
//	}
//	// x is the result
//
// Guidance, masks, clipping and quantisation are functions around a Denoiser, so
// that every sampler has them. Everything is variance preserving from outside:
// x = √ᾱ·x0 + √(1-ᾱ)·ε. Samplers that their papers write for x + σ·ε (variance
// exploding) change the scale inside.
package sampler

import (
	"context"
	"iter"

	"github.com/ldm-go/ldm/tensor"
)

// Denoiser predicts the clean latent and the noise in x [N, H, W, C] at timestep t
// of the training schedule, the same for all pictures. Timesteps are real-valued,
// and beyond the schedule's first and last where a path goes there:
// diffusion.Schedule.Coefficients gives √ᾱ and √(1-ᾱ), and Known the timestep to
// ask a network at. A denoiser may change x in place (a mask does), and the
// sampler goes on from what it finds.
type Denoiser func(ctx context.Context, x *tensor.Tensor, t float64) (Prediction, error)

// Prediction is what a denoiser says of x, both of its shape. It holds until the
// denoiser's next call.
type Prediction struct{ X0, Eps *tensor.Tensor }

// State is a sampler's state after a step. The tensors are the sampler's own and
// hold until the next step; a change to X in the loop is what the sampler goes on
// from.
type State struct {
	Step, Total int            // Total is 0 where a sampler chooses its steps as it goes
	Sigma       float64        // the noise level that the step led to
	X           *tensor.Tensor // the latent there
	X0          *tensor.Tensor // the clean latent as the step's (first) prediction had it
}

// Func is a sampler: it leads x [N, H, W, C] along the path in place, and yields a
// state after every step, or an error and nothing more.
type Func func(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error]

// Options of samplers. Each says which it reads.
type Options struct {
	Eta        float64  // share of fresh noise: 0 is deterministic, 1 as much as DDPM adds
	NoiseScale float64  // factor of fresh noise (k-diffusion's s_noise, the reference's temperature); 0 means 1
	Noise      Noise    // where fresh noise comes from; needed where any is added
	Churn      Churn    // of Euler, Heun and DPM2
	Order      int      // of LMS, UniPC and DPM adaptive; 0 means the sampler's own
	Midpoint   float64  // of DPM++ SDE: where its second prediction is, as a share of a step in ln σ; 0 means 1/2
	Adaptive   Adaptive // of DPM adaptive
	Rounds     int      // of Invert
}

// Churn raises the noise level before a step (Karras et al., arXiv 2206.00364,
// algorithm 2): by Amount/steps of itself, at most √2 - 1, between the noise
// levels Min and Max (0 means no limit).
type Churn struct{ Amount, Min, Max float64 }

// Adaptive says how DPM adaptive chooses its steps. Zeros mean k-diffusion's
// defaults.
type Adaptive struct {
	Relative, Absolute float64 // tolerances of a step's error; 0.05 and 0.0078
	First              float64 // the first step in -ln σ; 0.05
	P, I, D            float64 // of the step's controller; 0, 1 and 0
	Safety             float64 // the least factor of a step that is accepted; 0.81
}
