package metric

import (
	"math"
	"slices"
	"testing"
)

// noise gives n even values in [-1, 1) from a linear congruential generator.
func noise(seed uint32, n int) []float32 {
	values := make([]float32, n)
	for i := range values {
		seed = seed*1664525 + 1013904223
		values[i] = float32(seed>>8)/(1<<23) - 1
	}
	return values
}

// noisy gives a picture of noise and its mixture with another.
func noisy(seed uint32, n int, mix float32) (a, b []float32) {
	a, b = noise(seed, n), noise(seed+100, n)
	for i, v := range a {
		b[i] = v + (b[i]-v)*mix
	}
	return a, b
}

func TestSSIM(t *testing.T) {
	// The expected values are those of scikit-image 0.26.0 on the same
	// pictures as float64: structural_similarity(a, b, gaussian_weights=True,
	// use_sample_covariance=False, data_range=2, channel_axis=2).
	for _, test := range []struct {
		seed    uint32
		h, w, c int
		mix     float32
		want    float64
	}{
		{1, 24, 31, 3, 1. / 8, 0.9828404760053067},
		{2, 40, 17, 1, 1, 0.008831840297995672},
		{3, 11, 11, 3, 1. / 4, 0.9036530680690898},
	} {
		a, b := noisy(test.seed, test.h*test.w*test.c, test.mix)
		for range 2 { // The index is symmetric.
			got, err := SSIM(a, b, test.h, test.w, test.c)
			if err != nil {
				t.Fatal(err)
			}
			if !(math.Abs(got-test.want) <= 1e-12) {
				t.Errorf("SSIM of [%d, %d, %d] is %.16g, want %.16g", test.h, test.w, test.c, got, test.want)
			}
			a, b = b, a
		}
	}
}

func TestSSIMEqual(t *testing.T) {
	const h, w, c = 13, 19, 3
	a := noise(4, h*w*c)
	black := slices.Repeat([]float32{-1}, h*w*c)
	for name, pair := range map[string][2][]float32{
		"noise":   {a, slices.Clone(a)},
		"zeros":   {make([]float32, h*w*c), make([]float32, h*w*c)},
		"limited": {black, slices.Repeat([]float32{-3}, h*w*c)},
	} {
		got, err := SSIM(pair[0], pair[1], h, w, c)
		if err != nil {
			t.Fatal(err)
		}
		if !(math.Abs(got-1) <= 1e-12) {
			t.Errorf("%s: SSIM of equal pictures is %.16g, want 1", name, got)
		}
	}
}

func TestSSIMErrors(t *testing.T) {
	for name, test := range map[string]struct{ a, b, h, w, c int }{
		"low":         {10 * 11 * 3, 10 * 11 * 3, 10, 11, 3},
		"narrow":      {11 * 10 * 3, 11 * 10 * 3, 11, 10, 3},
		"no channels": {0, 0, 11, 11, 0},
		"negative":    {121, 121, -11, -11, 1},
		"short a":     {362, 363, 11, 11, 3},
		"short b":     {363, 362, 11, 11, 3},
		"long both":   {364, 364, 11, 11, 3},
		"overflow":    {0, 0, math.MaxInt/2 + 1, 16, 4},
	} {
		if got, err := SSIM(make([]float32, test.a), make([]float32, test.b), test.h, test.w, test.c); err == nil {
			t.Errorf("%s: SSIM is %v, want an error", name, got)
		}
	}
}

func BenchmarkSSIM(b *testing.B) {
	const h, w, c = 512, 512, 3
	x, y := noisy(5, h*w*c, 0.5)
	for b.Loop() {
		if _, err := SSIM(x, y, h, w, c); err != nil {
			b.Fatal(err)
		}
	}
}
