package sampler

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// walker is what all samplers have in common: the steps of a path, the calls of
// the denoiser, and the first error, which ends the walk. A sampler is a loop
//
//	for w := walk(ctx, d, x, p, o, yield); w.next(); { one step }
//
// in which calls after an error do nothing of use, so that formulas stand alone.
type walker struct {
	ctx     context.Context
	denoise Denoiser
	path    Path
	o       Options
	x       *tensor.Tensor
	yield   func(State, error) bool

	steps  []step
	i      int     // the step in work, from 0
	total  int     // of State
	scaled bool    // x is kept in the variance exploding scale, x0 + σ·ε
	level  float64 // the noise level of x, where it is

	asked bool           // the denoiser was called in this step
	first *tensor.Tensor // the clean latent of the step's first prediction
	kept  *tensor.Tensor // a copy of it, where the denoiser is called again
	fresh *tensor.Tensor // draws
	err   error
}

// step leads from a noise level s to the next one, n.
type step struct{ s, n float64 }

// walk begins a walk; its first step begins with next.
func walk(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options, yield func(State, error) bool) *walker {
	if o.NoiseScale == 0 {
		o.NoiseScale = 1
	}
	w := &walker{ctx: ctx, denoise: d, path: p, o: o, x: x, yield: yield, i: -1}
	w.err = p.check()
	if d == nil || x == nil || len(x.Shape) != 4 || len(x.F32) != x.Shape.Size() {
		w.err = fault.Inputf("a sampler wants a denoiser and a latent [N, H, W, C]")
	}
	for i := range p.Steps() {
		w.steps = append(w.steps, step{p.Sigmas[i], p.Sigmas[i+1]})
	}
	w.total = len(w.steps)
	return w
}

// exploding keeps x in the scale x0 + σ·ε between the denoiser's calls and yields.
func (w *walker) exploding() *walker {
	if w.err == nil {
		w.scaled, w.level = true, w.path.Sigmas[0]
		scale(w.x.F32, root(w.level))
	}
	return w
}

// next ends the step in work, yields its state, and begins the next one. It is
// false when there is none, the caller stopped, or something failed.
func (w *walker) next() bool {
	if w.i >= 0 && !w.emit(w.steps[w.i].n) {
		return false
	}
	if w.err == nil && w.i+1 == len(w.steps) {
		w.end()
		return false
	}
	return w.begin()
}

// begin begins a step, unless something failed.
func (w *walker) begin() bool {
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err == nil {
		w.i++
		w.asked = false
		return true
	}
	if w.i >= 0 && w.ctx.Err() == nil {
		w.err = fmt.Errorf("step %d: %w", w.i+1, w.err)
	}
	w.end()
	w.yield(State{}, w.err)
	return false
}

// emit yields the state after the step in work, at noise level n, unless
// something failed; false means that the caller stopped.
func (w *walker) emit(n float64) bool {
	if w.err != nil {
		return true // begin reports it
	}
	if w.scaled {
		w.level = n
		scale(w.x.F32, 1/root(n))
	}
	if !w.yield(State{w.i + 1, w.total, n, w.x, w.first}, nil) {
		return false
	}
	if w.scaled {
		scale(w.x.F32, root(n))
	}
	return true
}

// end brings x back to the variance preserving scale.
func (w *walker) end() {
	if w.scaled {
		w.scaled = false
		scale(w.x.F32, 1/root(w.level))
	}
}

// levels are the noise levels that the step leads from and to.
func (w *walker) levels() (s, n float64) { return w.steps[w.i].s, w.steps[w.i].n }

// predict calls the denoiser on x, variance preserving, at a noise level.
func (w *walker) predict(x *tensor.Tensor, sigma float64) (x0, eps []float32) {
	if w.err == nil {
		w.err = w.ctx.Err()
	}
	if w.err != nil {
		return x.F32, x.F32 // of the right size
	}
	if w.asked && w.first != w.kept { // the denoiser may overwrite it
		if w.kept == nil {
			w.kept = tensor.New(x.Shape...)
		}
		copy(w.kept.F32, w.first.F32)
		w.first = w.kept
	}
	p, err := w.denoise(w.ctx, x, w.path.Schedule.Timestep(sigma))
	if err == nil {
		err = p.check(x)
	}
	if err != nil {
		w.err = err
		return x.F32, x.F32
	}
	if !w.asked {
		w.asked, w.first = true, p.X0
	}
	return p.X0.F32, p.Eps.F32
}

// clean calls the denoiser on x = x0 + σ·ε: D(x; σ) of Karras et al.
func (w *walker) clean(x *tensor.Tensor, sigma float64) []float32 {
	scale(x.F32, 1/root(sigma))
	x0, _ := w.predict(x, sigma)
	scale(x.F32, root(sigma))
	return x0
}

// check wants both predictions in x's shape, and finite numbers.
func (p Prediction) check(x *tensor.Tensor) error {
	if p.X0 == nil || p.Eps == nil || !p.X0.Shape.Equal(x.Shape) || !p.Eps.Shape.Equal(x.Shape) {
		return fault.Inputf("the denoiser's prediction has not the latent's shape %v", x.Shape)
	}
	for _, v := range p.X0.F32 {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fault.NaNf("the denoiser's prediction is not finite")
		}
	}
	return nil
}

// noise adds fresh noise of a deviation to x, for the stretch between two levels.
func (w *walker) noise(x []float32, deviation, from, to float64) {
	if w.err != nil {
		return
	}
	if w.o.Noise == nil {
		w.err = fault.Inputf("this sampler adds noise, but its options do not say from where")
		return
	}
	if w.fresh == nil {
		w.fresh = tensor.New(w.x.Shape...)
	}
	w.o.Noise(w.fresh, from, to)
	add(x, deviation*w.o.NoiseScale, w.fresh.F32)
}

// like is a tensor of x's shape.
func (w *walker) like() *tensor.Tensor { return tensor.New(w.x.Shape...) }

// remember makes room for one more tensor at the head of those remembered, at
// most so many: the oldest one's where there are.
func (w *walker) remember(past []*tensor.Tensor, most int) []*tensor.Tensor {
	fresh := (*tensor.Tensor)(nil)
	if len(past) == most {
		fresh, past = past[most-1], past[:most-1]
	} else {
		fresh = w.like()
	}
	return slices.Insert(past, 0, fresh)
}

// scale is x ← c·x.
func scale(x []float32, c float64) {
	f := float32(c)
	for i := range x {
		x[i] *= f
	}
}

// add is x ← x + c·y.
func add(x []float32, c float64, y []float32) {
	f := float32(c)
	for i, v := range y {
		x[i] += f * v
	}
}

// mix is x ← a·x + b·y.
func mix(x []float32, a, b float64, y []float32) {
	f, g := float32(a), float32(b)
	for i, v := range y {
		x[i] = f*x[i] + g*v
	}
}

// root is √(1+σ²), by which x0 + σ·ε is larger than √ᾱ·x0 + √(1-ᾱ)·ε.
func root(sigma float64) float64 { return math.Sqrt(1 + sigma*sigma) }

// alphaBar is ᾱ at a noise level.
func alphaBar(sigma float64) float64 { return 1 / (1 + sigma*sigma) }

// coefficients are √ᾱ and √(1-ᾱ) at a noise level.
func coefficients(sigma float64) (alpha, std float64) { return diffusion.Coefficients(sigma) }
