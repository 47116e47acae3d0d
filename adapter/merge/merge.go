// Package merge makes one model's weights of two or three models' of one structure.
package merge

import (
	"math"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Method is how weights are merged, with m the multiplier of a block.
type Method uint8

// The methods.
const (
	Weighted      Method = iota // (1-m)·A + m·B
	AddDifference               // A + m·(B - C)
)

// Recipe says how models are merged.
type Recipe struct {
	Method     Method
	Multiplier float64   // of all that Blocks does not name
	Blocks     []float64 // of the U-Net's blocks: those of the input, the middle, those of the output; nil: Multiplier
}

const (
	prefixInput  = "model.diffusion_model.input_blocks."
	prefixMiddle = "model.diffusion_model.middle_block."
	prefixOutput = "model.diffusion_model.output_blocks."
	prefixTime   = "model.diffusion_model.time_embed."
	prefixLast   = "model.diffusion_model.out."
)

// Check wants finite multipliers, one for each block of a U-Net with so many input
// blocks; there are as many of the output.
func (r Recipe) Check(inputs int) error {
	if n := 2*inputs + 1; r.Blocks != nil && len(r.Blocks) != n {
		return fault.Inputf("%d multipliers of blocks: want %d, for %d input blocks, the middle and %d output blocks", len(r.Blocks), n, inputs, inputs)
	}
	for _, m := range append([]float64{r.Multiplier}, r.Blocks...) {
		if !(math.Abs(m) <= 100) {
			return fault.Inputf("a multiplier of %g: want a number from -100 to 100", m)
		}
	}
	return nil
}

// of is the multiplier of a parameter. The time embedding goes with the first block
// of the input, the last convolution with the last of the output, as programs that
// merge by blocks have it.
func (r Recipe) of(name string) float64 {
	n := len(r.Blocks)
	if n == 0 {
		return r.Multiplier
	}
	at := -1
	switch {
	case strings.HasPrefix(name, prefixTime):
		at = 0
	case strings.HasPrefix(name, prefixMiddle):
		at = n / 2
	case strings.HasPrefix(name, prefixLast):
		at = n - 1
	case strings.HasPrefix(name, prefixInput):
		at = number(name[len(prefixInput):], 0)
	case strings.HasPrefix(name, prefixOutput):
		at = number(name[len(prefixOutput):], n/2+1)
	}
	if at < 0 || at >= n {
		return r.Multiplier
	}
	return r.Blocks[at]
}

// number reads the number of a block, counted from an offset; -1 where there is none.
func number(rest string, offset int) int {
	text, _, _ := strings.Cut(rest, ".")
	i, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return offset + i
}

// Tensors merges one parameter's values; c is nil but for AddDifference. It is
// computed in float64 and rounded once.
func (r Recipe) Tensors(name string, a, b, c *tensor.Tensor) *tensor.Tensor {
	m := r.of(name)
	x, y := a.Float32().F32, b.Float32().F32
	out := tensor.New(a.Shape...)
	if r.Method == AddDifference {
		z := c.Float32().F32
		for i := range x {
			out.F32[i] = float32(float64(x[i]) + m*(float64(y[i])-float64(z[i])))
		}
		return out
	}
	for i := range x {
		out.F32[i] = float32((1-m)*float64(x[i]) + m*float64(y[i]))
	}
	return out
}
