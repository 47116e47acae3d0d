package sampler_test

import (
	"context"
	"iter"
	"math"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/internal/nettest"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// linear is the schedule of most models.
func linear(t *testing.T, start, end float64) *diffusion.Schedule {
	t.Helper()
	c := diffusion.Default()
	c.LinearStart, c.LinearEnd = start, end
	s, err := diffusion.NewSchedule(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func compVis(t *testing.T, s *diffusion.Schedule, steps int) sampler.Path {
	t.Helper()
	path, err := sampler.CompVis(s, steps)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// last runs a sampler to its end.
func last(t *testing.T, states iter.Seq2[sampler.State, error]) {
	t.Helper()
	for _, err := range states {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// denoiser is a denoiser whose noise is a formula.
func denoiser(s *diffusion.Schedule, seen func(x *tensor.Tensor, t float64)) sampler.Denoiser {
	return sampler.Unguided(func(_ context.Context, x *tensor.Tensor, t float64, _ ...int) ([]*tensor.Tensor, error) {
		seen(x, t)
		out := tensor.New(x.Shape...)
		for i, v := range x.F32 {
			out.F32[i] = float32(formulaNoise(float64(v), t))
		}
		return []*tensor.Tensor{out}, nil
	}, s, 1)
}

func unseen(*tensor.Tensor, float64) {}

func formulaNoise(x, t float64) float64 { return math.Sin(x) * (t + 100) / 1000 }

// TestDDIMSteps: the reference shifts the timesteps of DDIM by one.
func TestDDIMSteps(t *testing.T) {
	var seen []float64
	s := linear(t, .0015, .0195)
	d := denoiser(s, func(_ *tensor.Tensor, step float64) { seen = append(seen, step) })
	last(t, sampler.DDIM(context.Background(), d, nettest.Random(1, 1, 2, 2, 1), compVis(t, s, 4), sampler.Options{}))
	if want := []float64{751, 501, 251, 1}; !slices.Equal(seen, want) {
		t.Errorf("timesteps %v, want %v", seen, want)
	}
}

// TestDDIMGrid: a stride of T/S rounded down, from 1, gives more steps than asked
// for, and for many numbers one past the end.
func TestDDIMGrid(t *testing.T) {
	s := linear(t, .0015, .0195)
	for steps, want := range map[int]int{50: 50, 200: 200, 400: 500, 30: 31} {
		path := compVis(t, s, steps)
		if n := path.Steps(); n != want || path.Timestep(n-1) != 1 || path.Timestep(n-2) != float64(1+1000/steps) {
			t.Errorf("%d steps: %d from %g, %g, want %d from 1, %d", steps, n, path.Timestep(n-1), path.Timestep(n-2), want, 1+1000/steps)
		}
	}
	var bad []int
	for steps := 1; steps <= 1000; steps++ {
		if _, err := sampler.CompVis(s, steps); err != nil {
			bad = append(bad, steps)
		}
	}
	var want []int
	for _, r := range [][2]int{{3, 3}, {9, 9}, {27, 27}, {36, 37}, {101, 111}, {251, 333}, {501, 1000}} {
		for s := r[0]; s <= r[1]; s++ {
			want = append(want, s)
		}
	}
	if !slices.Equal(bad, want) {
		t.Errorf("the grid runs over the end for %v, want %v", bad, want)
	}
}

// TestDDIMTrajectory follows one number through all steps in float64: the last
// ends at the first alpha, not at 1.
func TestDDIMTrajectory(t *testing.T) {
	s := linear(t, .0015, .0195)
	path := compVis(t, s, 10)
	for _, eta := range []float64{0, .7} {
		x := tensor.Of([]float32{1.5}, 1, 1, 1, 1)
		want, draw := 1.5, float32(-4)
		noise := func(dst *tensor.Tensor, _, _ float64) { dst.F32[0], draw = draw, draw+1 }
		last(t, sampler.DDIM(context.Background(), denoiser(s, unseen), x, path, sampler.Options{Eta: eta, Noise: noise}))
		for step := range path.Steps() {
			at := 901 - 100*step
			a, prev := s.AlphasCumprod[at], s.AlphasCumprod[max(at-100, 0)]
			sigma := eta * math.Sqrt((1-prev)/(1-a)*(1-a/prev))
			e := formulaNoise(want, float64(at))
			x0 := (want - math.Sqrt(1-a)*e) / math.Sqrt(a)
			want = math.Sqrt(prev)*x0 + math.Sqrt(1-prev-sigma*sigma)*e + sigma*(float64(step)-4)
		}
		nettest.Near(t, "trajectory", x.F32, []float32{float32(want)})
	}
}

// TestMask: a mask of 1 keeps: before each step, what is under a 1 becomes the known latent with the
// noise of that step.
func TestMask(t *testing.T) {
	s := linear(t, .0015, .0195)
	path := compVis(t, s, 5)
	known, mask := nettest.Random(1, 1, 1, 2, 3), tensor.Of([]float32{1, 0}, 1, 1, 2, 1)
	step := uint64(0)
	noise := func(dst *tensor.Tensor, _, _ float64) {
		copy(dst.F32, nettest.Random(step, dst.Shape...).F32)
		step++
	}
	free, masked := nettest.Random(7, 1, 1, 2, 3), nettest.Random(7, 1, 1, 2, 3)
	last(t, sampler.DDIM(context.Background(), denoiser(s, unseen), free, path, sampler.Options{}))
	d := denoiser(s, func(x *tensor.Tensor, at float64) {
		want := make([]float32, 3)
		s.QSample(want, known.F32[:3], nettest.Random(step-1, 1, 1, 2, 3).F32[:3], int(at))
		nettest.Near(t, "what is kept", x.F32[:3], want)
	})
	last(t, sampler.DDIM(context.Background(), sampler.Keep(d, s, mask, known, noise), masked, path, sampler.Options{}))
	nettest.Near(t, "what is made", masked.F32[3:], free.F32[3:])
}
