package sampler

import (
	"context"
	"iter"
	"math"
	"slices"

	"github.com/ldm-go/ldm/tensor"
)

// Restart goes by Heun's steps to a low noise level, back up by adding noise, and
// down again (Xu et al., arXiv 2306.14878, algorithm 1), in the form that users know
// from AUTOMATIC1111's program: of 20 steps or more, 9 or a quarter (twice, of 36
// or more) are spent on going from σ = 2 to σ = 0.1 again, and all levels are Karras's
// between the path's ends. Fewer steps are Heun's alone. It reads NoiseScale and,
// for 20 steps or more, Noise.
func Restart(ctx context.Context, d Denoiser, x *tensor.Tensor, p Path, o Options) iter.Seq2[State, error] {
	return func(yield func(State, error) bool) {
		w := walk(ctx, d, x, p, o, yield).exploding()
		if w.err == nil {
			w.restart()
		}
		h := w.heun()
		for w.next() {
			s, n := w.levels()
			if w.i > 0 && s > w.steps[w.i-1].n {
				low := w.steps[w.i-1].n
				w.noise(x.F32, math.Sqrt(s*s-low*low), low, s)
			}
			h.step(s, n)
		}
	}
}

// restart replaces the steps by those with a way back.
func (w *walker) restart() {
	n := len(w.steps)
	again, times := 9, 1
	if n >= 36 {
		again, times = n/4, 2
	}
	end := w.path.Sigmas[n]
	if n < 20 || end > 0 {
		return
	}
	main := append(Karras(n-again*times, w.path.Sigmas[n-1], w.path.Sigmas[0], 7), 0)
	nearest := func(sigma float64) int {
		best := 0
		for i, s := range main {
			if math.Abs(s-sigma) < math.Abs(main[best]-sigma) {
				best = i
			}
		}
		return best
	}
	low, high := nearest(.1), nearest(2)
	w.steps = nil
	for i := range len(main) - 1 {
		w.steps = append(w.steps, step{main[i], main[i+1]})
		if i+1 == low && high < low {
			back := Karras(again+1, main[low], main[high], 7)
			for range times {
				for j := range again {
					w.steps = append(w.steps, step{back[j], back[j+1]})
				}
			}
		}
	}
	w.steps = slices.Clip(w.steps)
	w.total = len(w.steps)
}
