package diffusion_test

import (
	"github.com/ldm-go/ldm/diffusion"
	"math"
	"testing"
)

// TestLinear: the schedule called linear is linear in the square root of beta; sqrt_linear
// is linear in beta itself.
func TestLinear(t *testing.T) {
	for _, c := range []struct{ start, end, middle, last float64 }{
		{.0015, .0195, .11584449, 1.42303975e-4},
		{.0015, .0155, .15107742, 6.68665174e-4},
		{.0015, .0205, .10857600, 9.69108668e-5},
		{.00085, .012, .27766965, 4.66009851e-3},
		{.0015, .015, .15630709, 8.12518471e-4},
	} {
		bars := alphasCumprod(t, c.start, c.end)
		for step, want := range map[int]float64{0: 1 - c.start, 499: c.middle, 999: c.last} {
			if math.Abs(bars[step]-want) > 5e-8*want {
				t.Errorf("%g to %g: product %d is %.9g, want %.9g", c.start, c.end, step, bars[step], want)
			}
		}
	}
	c := diffusion.Default()
	c.BetaSchedule, c.LinearStart, c.LinearEnd = diffusion.SqrtLinear, .1, .3
	c.Timesteps = 3
	betas, err := c.Betas()
	if err != nil || math.Abs(betas[1]-.2) > 1e-12 {
		t.Errorf("sqrt_linear: %v, want .2 in the middle; error %v", betas, err)
	}
}

func alphasCumprod(t *testing.T, start, end float64) []float64 {
	t.Helper()
	c := diffusion.Default()
	c.LinearStart, c.LinearEnd = start, end
	s, err := diffusion.NewSchedule(c)
	if err != nil {
		t.Fatal(err)
	}
	return s.AlphasCumprod
}
