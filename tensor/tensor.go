// Package tensor holds dense arrays on the host: shapes, float32 and int32
// data in row-major order, conversions of number formats, and random streams.
package tensor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Shape is the length of every axis, outermost first. The empty shape is a scalar.
type Shape []int

// Size is the number of elements; 1 for a scalar.
func (s Shape) Size() int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// Equal tells whether both have the same axes.
func (s Shape) Equal(t Shape) bool { return slices.Equal(s, t) }

// String writes the shape as [2 3 4].
func (s Shape) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = strconv.Itoa(d)
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// Tensor is a dense row-major array. Exactly one of F32, I32 and Half is set; Half
// are weights as a file may hold them, float16 or bfloat16 as Format says.
type Tensor struct {
	Shape  Shape
	F32    []float32
	I32    []int32
	Half   []uint16
	Format Format
}

// New returns a float32 tensor of zeros.
func New(shape ...int) *Tensor {
	return &Tensor{Shape: slices.Clone(shape), F32: Memory[float32](Shape(shape).Size())}
}

// NewInt returns an int32 tensor of zeros.
func NewInt(shape ...int) *Tensor {
	return &Tensor{Shape: slices.Clone(shape), I32: make([]int32, Shape(shape).Size())}
}

// Of wraps data, which is not copied. It panics if the size does not fit: that
// is an error of the program, never of its input.
func Of(data []float32, shape ...int) *Tensor {
	if len(data) != Shape(shape).Size() {
		panic(fmt.Sprintf("tensor.Of: %d values for shape %v", len(data), Shape(shape)))
	}
	return &Tensor{Shape: slices.Clone(shape), F32: data}
}

// Clone copies the tensor with its data.
func (t *Tensor) Clone() *Tensor {
	return &Tensor{Shape: slices.Clone(t.Shape), F32: slices.Clone(t.F32), I32: slices.Clone(t.I32), Half: slices.Clone(t.Half), Format: t.Format}
}

// Row returns element i of the first axis as a view on the same data.
func (t *Tensor) Row(i int) *Tensor {
	n := t.Shape[1:].Size()
	r := &Tensor{Shape: slices.Clone(t.Shape[1:])}
	if t.F32 != nil {
		r.F32 = t.F32[i*n : (i+1)*n : (i+1)*n]
	} else {
		r.I32 = t.I32[i*n : (i+1)*n : (i+1)*n]
	}
	return r
}

// Permute returns a float32 tensor whose axis i is axis perm[i] of t.
func (t *Tensor) Permute(perm ...int) *Tensor {
	shape := make(Shape, len(perm))
	stride := make([]int, len(perm))
	for i, p := range perm {
		shape[i] = t.Shape[p]
		stride[i] = t.Shape[p+1:].Size()
	}
	out := New(shape...)
	index := make([]int, len(perm))
	from := 0
	for i := range out.F32 {
		out.F32[i] = t.F32[from]
		for a := len(perm) - 1; a >= 0; a-- {
			index[a]++
			from += stride[a]
			if index[a] < shape[a] {
				break
			}
			from -= index[a] * stride[a]
			index[a] = 0
		}
	}
	return out
}

// ToNHWC turns PyTorch's [N, C, H, W] into the channels-last [N, H, W, C] used here.
func (t *Tensor) ToNHWC() *Tensor { return t.Permute(0, 2, 3, 1) }

// ToNCHW turns [N, H, W, C] into PyTorch's [N, C, H, W].
func (t *Tensor) ToNCHW() *Tensor { return t.Permute(0, 3, 1, 2) }
