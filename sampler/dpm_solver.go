package sampler

import (
	"context"
	"iter"
	"math"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// dpmSolver steps in t = -ln σ (Lu et al., arXiv 2206.00927, algorithms 1 and 2, in
// k-diffusion's variance exploding form, where ε = (x - D)/σ is the slope).
type dpmSolver struct {
	w                *walker
	e, e1, e2, stage *tensor.Tensor
}

func (w *walker) dpmSolver() dpmSolver { return dpmSolver{w, w.like(), w.like(), w.like(), w.like()} }

// noise writes ε at t.
func (d dpmSolver) noise(dst, x *tensor.Tensor, t float64) {
	sigma := math.Exp(-t)
	slope(dst.F32, x.F32, d.w.clean(x, sigma), sigma)
}

// second predicts at the share r of the step from t to u, ε being known at t.
func (d dpmSolver) second(x []float32, t, u, r float64) {
	h := r * (u - t)
	ahead(d.stage.F32, x, -math.Exp(-t-h)*math.Expm1(h), d.e.F32)
	d.noise(d.e1, d.stage, t+h)
}

// third predicts at 2/3 of the step, ε being known at t and at 1/3.
func (d dpmSolver) third(x []float32, t, u float64) {
	h := (u - t) * 2 / 3
	sigma := math.Exp(-t - h)
	bend := sigma * 2 * (math.Expm1(h)/h - 1)
	ahead(d.stage.F32, x, -sigma*math.Expm1(h)+bend, d.e.F32)
	add(d.stage.F32, -bend, d.e1.F32)
	d.noise(d.e2, d.stage, t+h)
}

// one, two and three add a step of that order from t to u to x.
func (d dpmSolver) one(x []float32, t, u float64) {
	add(x, -math.Exp(-u)*math.Expm1(u-t), d.e.F32)
}

func (d dpmSolver) two(x []float32, t, u, r float64) {
	c := math.Exp(-u) * math.Expm1(u-t)
	add(x, -c*(1-1/(2*r)), d.e.F32)
	add(x, -c/(2*r), d.e1.F32)
}

func (d dpmSolver) three(x []float32, t, u float64) {
	h := u - t
	bend := math.Exp(-u) * (math.Expm1(h)/h - 1) * 3 / 2
	add(x, -math.Exp(-u)*math.Expm1(h)+bend, d.e.F32)
	add(x, -bend, d.e2.F32)
}

// gap are the weights of ε at the stages of a step from t to u in the difference between
// this order, 2 or 3, and the one below.
func gap(order int, t, u float64) [3]float64 {
	h := u - t
	c := math.Exp(-u) * math.Expm1(h)
	if order == 2 {
		return [3]float64{c, -c, 0}
	}
	bend := math.Exp(-u) * (math.Expm1(h)/h - 1) * 3 / 2
	return [3]float64{bend - 1.5*c, 1.5 * c, -bend}
}

// DPMFast is DPM-Solver-fast (Lu et al., arXiv 2206.00927, section 3.4): as many
// calls of the denoiser as the path has steps, in steps of up to three calls
// that are even in ln σ. Of the path it takes the ends alone, and ends at the last
// noise level that is not 0. It reads Eta, NoiseScale and Noise.
func DPMFast(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		from, to := w.ends()
		calls := len(w.steps)
		m := calls/3 + 1
		orders := make([]int, m)
		for i := range orders {
			orders[i] = 3
		}
		if orders[m-1] = calls % 3; orders[m-1] == 0 {
			copy(orders[max(m-2, 0):], []int{2, 1})
		}
		w.steps = w.steps[:0]
		at := func(i int) float64 { return math.Exp(-from - (to-from)*float64(i)/float64(m)) }
		for i := range m {
			w.steps = append(w.steps, step{at(i), at(i + 1)})
		}
		w.total = m
		for solver := w.dpmSolver(); w.next(); {
			s, n := w.levels()
			t, u, sigma := -math.Log(s), -math.Log(n), 0.0
			if o.Eta > 0 {
				down, _ := ancestral(s, n, o.Eta)
				u = min(to, -math.Log(down))
				sigma = math.Sqrt(max(n*n-math.Exp(-2*u), 0))
			}
			solver.noise(solver.e, x, t)
			switch orders[w.i] {
			case 1:
				solver.one(x.F32, t, u)
			case 2:
				solver.second(x.F32, t, u, .5)
				solver.two(x.F32, t, u, .5)
			default:
				solver.second(x.F32, t, u, 1./3)
				solver.third(x.F32, t, u)
				solver.three(x.F32, t, u)
			}
			if sigma > 0 {
				w.noise(x.F32, sigma, s, n)
			}
		}
	}
}

// ends are -ln σ where the path begins, and where it ends but for a last 0: at the
// lowest level of the path below the first, or of the model.
func (w *walker) ends() (from, to float64) {
	if w.err != nil {
		return 0, 1
	}
	first := w.path.Sigmas[0]
	least, _ := w.path.Schedule.SigmaRange()
	last := min(least, first/2)
	for _, s := range w.path.Sigmas[1:] {
		if s > 0 {
			last = s
		}
	}
	return -math.Log(first), -math.Log(last)
}

// DPMAdaptive is DPM-Solver with steps as long as an embedded error allows (Lu et
// al., arXiv 2206.00927, appendix C; k-diffusion's sample_dpm_adaptive, with a
// proportional, integral and differential controller). Of the path it takes the
// ends alone. The steps follow from all pictures of a batch together, so that a
// picture is not what it would be alone. It reads Order, 2 or 3 (3), Adaptive,
// Eta, NoiseScale and Noise.
func DPMAdaptive(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		w.total = 0
		if o.Order == 0 {
			o.Order = 3
		}
		if w.err == nil && o.Order != 2 && o.Order != 3 {
			w.err = fault.Inputf("order %d: want 2 or 3", o.Order)
		}
		t, end := w.ends()
		c := newController(o)
		low, high, before := w.like(), w.like(), w.like()
		copy(before.F32, x.F32)
		solver := w.dpmSolver()
		for w.begin() {
			for accepted := false; !accepted && w.err == nil; {
				w.asked = false
				next := min(end, t+c.h)
				u, sigma := next, 0.0
				s, n := math.Exp(-t), math.Exp(-next)
				if o.Eta > 0 {
					down, _ := ancestral(s, n, o.Eta)
					u = min(end, -math.Log(down))
					sigma = math.Sqrt(max(n*n-math.Exp(-2*u), 0))
				}
				copy(low.F32, x.F32)
				copy(high.F32, x.F32)
				difference := gap(o.Order, t, u)
				solver.noise(solver.e, x, t)
				if o.Order == 2 {
					solver.one(low.F32, t, u)
					solver.second(x.F32, t, u, .5)
					solver.two(high.F32, t, u, .5)
				} else {
					solver.second(x.F32, t, u, 1./3)
					solver.two(low.F32, t, u, 1./3)
					solver.third(x.F32, t, u)
					solver.three(high.F32, t, u)
				}
				if accepted = c.propose(solver.deviates(difference, low.F32, before.F32, o.Adaptive)); accepted {
					copy(x.F32, high.F32)
					low, before = before, low
					if sigma > 0 {
						w.noise(x.F32, sigma, s, n)
					}
					t = next
				}
			}
			if !w.emit(math.Exp(-t)) {
				return
			}
			if w.err == nil && t >= end-1e-5 {
				w.end()
				return
			}
		}
	}
}

// deviates is the error of a step: the mean square of the differences between two
// orders, relative to what is tolerated. The differences are sums over ε at the stages:
// where steps are short, those of the states themselves would be of rounding.
func (d dpmSolver) deviates(gap [3]float64, low, before []float32, a Adaptive) float64 {
	absolute, relative := or(a.Absolute, .0078), or(a.Relative, .05)
	var sum float64
	for i, l := range low {
		tolerated := max(absolute, relative*max(math.Abs(float64(l)), math.Abs(float64(before[i]))))
		e := (gap[0]*float64(d.e.F32[i]) + gap[1]*float64(d.e1.F32[i]) + gap[2]*float64(d.e2.F32[i])) / tolerated
		sum += e * e
	}
	return math.Sqrt(sum / float64(len(low)))
}

// controller chooses the length h of steps from their errors (Söderlind's digital
// filters).
type controller struct {
	h, b1, b2, b3, safety float64
	inverse               []float64 // 1/error of this step and the two accepted before it
}

func newController(o Options) *controller {
	a := o.Adaptive
	i := a.I
	if a.P == 0 && a.I == 0 && a.D == 0 {
		i = 1
	}
	order := float64(o.Order)
	if o.Eta > 0 {
		order = 1.5
	}
	return &controller{h: or(a.First, .05), safety: or(a.Safety, .81), b1: (a.P + i + a.D) / order, b2: -(a.P + 2*a.D) / order, b3: a.D / order}
}

// propose takes a step's error, sets the next step's length, and accepts the step
// or not.
func (c *controller) propose(err float64) bool {
	inverse := 1 / (err + 1e-8)
	if c.inverse == nil {
		c.inverse = []float64{inverse, inverse, inverse}
	}
	c.inverse[0] = inverse
	factor := math.Pow(c.inverse[0], c.b1) * math.Pow(c.inverse[1], c.b2) * math.Pow(c.inverse[2], c.b3)
	factor = 1 + math.Atan(factor-1)
	accepted := factor >= c.safety
	if accepted {
		c.inverse[2], c.inverse[1] = c.inverse[1], c.inverse[0]
	}
	c.h *= factor
	return accepted
}

func or(v, otherwise float64) float64 {
	if v == 0 {
		return otherwise
	}
	return v
}
