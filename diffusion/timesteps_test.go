package diffusion

import (
	"math"
	"testing"
)

func TestTimesteps(t *testing.T) {
	s, err := NewSchedule(Default())
	if err != nil {
		t.Fatal(err)
	}
	even, err := NewTimesteps(s, 0)
	if err != nil {
		t.Fatal(err)
	}
	if even.At(0) != 0 || even.At(0.5) != 500 || even.At(math.Nextafter(1, 0)) != 999 {
		t.Errorf("even: %d, %d, %d", even.At(0), even.At(0.5), even.At(math.Nextafter(1, 0)))
	}
	skewed, err := NewTimesteps(s, 5)
	if err != nil {
		t.Fatal(err)
	}
	const draws = 1 << 20
	counts := make([]float64, len(s.Betas))
	for i := range draws {
		counts[skewed.At((float64(i)+.5)/draws)]++
	}
	for _, at := range []int{50, 100, 200} { // relative to a timestep of full weight
		bar := s.AlphasCumprod[at]
		want := min(5*(1-bar)/bar, 1)
		if got := counts[at] / counts[900]; math.Abs(got-want) > 0.01 {
			t.Errorf("t = %d is drawn %.4f as often as t = 900, want %.4f", at, got, want)
		}
	}
	for _, gamma := range []float64{-1, math.NaN(), math.Inf(1)} {
		if _, err := NewTimesteps(s, gamma); err == nil {
			t.Errorf("gamma %g: no error", gamma)
		}
	}
}
