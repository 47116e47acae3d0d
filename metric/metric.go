// Package metric compares pictures.
package metric

import "math"

// PSNR is the peak signal-to-noise ratio in dB of pictures in [-1, 1], after
// both are limited to that range; +Inf for equal ones.
func PSNR(a, b []float32) float64 {
	var sum float64
	for i, v := range a {
		d := float64(limit(v) - limit(b[i]))
		sum += d * d
	}
	return 10 * math.Log10(4*float64(len(a))/sum)
}

func limit(v float32) float32 { return min(max(v, -1), 1) }
