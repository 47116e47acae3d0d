package torchrand

import (
	"strconv"

	"github.com/ldm-go/ldm/tensor/brownian"
)

// NewTree is the Brownian path of torchsde's BrownianTree as k-diffusion uses it,
// of n components between two times, which are rounded to 6 decimals.
func NewTree(seed uint64, first, last float64, n int) *brownian.Path {
	return brownian.New(first, last, n, round6, func(dst []float32, key uint64, depth int) {
		words := seedSequence(seed)
		if depth >= 0 {
			words = seedSequence(seed, key, uint64(depth))
		}
		NewCPU(uint64(words[0])).Normal(dst)
	})
}

// round6 is Python's round(v, 6).
func round6(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'f', 6, 64), 64)
	return r
}
