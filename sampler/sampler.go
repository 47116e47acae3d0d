// Package sampler turns noise into latents. It knows nothing of networks: a
// Denoiser says what is clean and what is noise in a latent, a Path says through
// which noise levels to go, and a sampler is one function that goes it and yields
// the latent after every step:
//
//	d := sampler.Guided(network, schedule, sampler.Guidance{Scale: 7.5})
//	path, err := sampler.Uniform(schedule, 50)
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
	"fmt"
	"iter"
	"math"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
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
	Step, Total int
	X           *tensor.Tensor // the latent at the noise level that the step led to
	X0          *tensor.Tensor // the clean latent as the step's first prediction had it
}

// Func is a sampler: it leads x [N, H, W, C] along the path in place, and yields a
// state after every step, or an error and nothing more.
type Func func(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error]

// Options of samplers. Which sampler reads which is said at the sampler.
type Options struct {
	Eta        float64 // share of fresh noise: 0 is deterministic, 1 as much as DDPM adds
	NoiseScale float64 // factor of fresh noise (k-diffusion's s_noise, the reference's temperature); 0 means 1
	Noise      Noise   // where fresh noise comes from; needed where any is added
}

// walker is what all samplers have in common: the steps of a path, the calls of
// the denoiser, and an error that ends the walk.
type walker struct {
	ctx     context.Context
	denoise Denoiser
	path    Path
	o       Options
	x       *tensor.Tensor
	yield   func(State, error) bool

	i         int            // the step in work, from 0
	exploding bool           // x is scaled by √(1+σ²) between next and next
	first     *tensor.Tensor // the clean latent of the step's first prediction
	x0        *tensor.Tensor // a copy of it, where the denoiser is called again
	fresh     *tensor.Tensor // draws
	err       error
}

// walk begins a walk; the first step begins with next.
func walk(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options, yield func(State, error) bool) *walker {
	if o.NoiseScale == 0 {
		o.NoiseScale = 1
	}
	w := &walker{ctx: ctx, denoise: d, path: p, o: o, x: x, yield: yield, i: -1}
	if d == nil || p.Schedule == nil || len(p.Sigmas) < 2 || len(x.Shape) != 4 {
		w.err = fault.Inputf("a sampler wants a denoiser, a path of at least one step and x [N, H, W, C]; there are %d noise levels and x %v", len(p.Sigmas), x.Shape)
	}
	return w
}

// next ends the step in work, yields its state, and begins the next one. It is
// false when there is none, the caller stopped, or something failed.
func (w *walker) next() bool {
	if w.err == nil && w.i >= 0 && !w.emit() {
		return false
	}
	if w.err == nil && w.i+1 == w.path.Steps() {
		return false
	}
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err == nil {
		w.i++
		w.first = nil
		return true
	}
	if w.i >= 0 && w.ctx.Err() == nil {
		w.err = fmt.Errorf("step %d of %d: %w", w.i+1, w.path.Steps(), w.err)
	}
	w.yield(State{}, w.err)
	return false
}

// emit yields the state after step i.
func (w *walker) emit() bool {
	return w.yield(State{w.i + 1, w.path.Steps(), w.x, w.first}, nil)
}

// levels are the noise levels that the step leads from and to.
func (w *walker) levels() (s, n float64) { return w.path.Sigmas[w.i], w.path.Sigmas[w.i+1] }

// predict calls the denoiser on x, variance preserving, at a noise level.
func (w *walker) predict(x *tensor.Tensor, sigma float64) (x0, eps []float32) {
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err != nil {
		return w.x.F32, w.x.F32 // of the right size; next reports the error
	}
	if w.first != nil && w.x0 == nil {
		w.x0 = tensor.New(w.x.Shape...)
	}
	if w.first != nil && w.first != w.x0 { // the denoiser will overwrite it
		copy(w.x0.F32, w.first.F32)
		w.first = w.x0
	}
	p, err := w.denoise(w.ctx, x, w.path.Schedule.Timestep(sigma))
	if err == nil {
		err = p.check(x)
	}
	if err != nil {
		w.err = err
		return w.x.F32, w.x.F32
	}
	if w.first == nil {
		w.first = p.X0
	}
	return p.X0.F32, p.Eps.F32
}

// check wants both predictions in x's shape, and finite numbers.
func (p Prediction) check(x *tensor.Tensor) error {
	if p.X0 == nil || p.Eps == nil || !p.X0.Shape.Equal(x.Shape) || !p.Eps.Shape.Equal(x.Shape) {
		return fault.Inputf("the denoiser's prediction has not the latent's shape %v", x.Shape)
	}
	for _, v := range p.X0.F32 {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("the denoiser's prediction is not finite")
		}
	}
	return nil
}

// noise draws fresh noise for the stretch between two noise levels, of variance 1.
func (w *walker) noise(from, to float64) []float32 {
	if w.fresh == nil {
		w.fresh = tensor.New(w.x.Shape...)
	}
	if w.o.Noise == nil {
		if w.err == nil {
			w.err = fault.Inputf("this sampler adds noise, but the options say not from where")
		}
		return w.fresh.F32
	}
	w.o.Noise(w.fresh, from, to)
	return w.fresh.F32
}

// scale multiplies x by c.
func scale(x []float32, c float64) {
	f := float32(c)
	for i := range x {
		x[i] *= f
	}
}

// add adds c·y to x.
func add(x []float32, c float64, y []float32) {
	f := float32(c)
	for i, v := range y {
		x[i] += f * v
	}
}

// alphaBar is ᾱ at a noise level.
func alphaBar(sigma float64) float64 { return 1 / (1 + sigma*sigma) }

// coefficients are √ᾱ and √(1-ᾱ) at a noise level.
func coefficients(sigma float64) (alpha, std float64) { return diffusion.Coefficients(sigma) }
