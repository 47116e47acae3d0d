// Package tiles works through pictures and latents that are too large for memory
// or time at once: patch by patch with cross-fades, as the reference does, or a
// decoder tile by tile with the result of the whole.
package tiles

import (
	"context"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Split says how something is cut into overlapping patches: the reference's
// split_input_params. Sizes are {height, width} in pixels of what is cut: of
// pictures where they are encoded, of latents where those are denoised or decoded.
type Split struct {
	Kernel       [2]int  // ks, the size of a patch
	Stride       [2]int  // stride, from one patch to the next
	TieBreaker   bool    // tie_braker: patches far from the rim of the grid weigh more
	MinWeight    float64 // clip_min_weight
	MaxWeight    float64 // clip_max_weight
	MinTieWeight float64 // clip_min_tie_weight
	MaxTieWeight float64 // clip_max_tie_weight
}

// NewSplit is the reference's setting for patches of size x size that overlap by half.
func NewSplit(size int) Split {
	return Split{
		Kernel: [2]int{size, size}, Stride: [2]int{max(size/2, 1), max(size/2, 1)},
		MinWeight: .01, MaxWeight: .5, MinTieWeight: .01, MaxTieWeight: .5,
	}
}

// Validate says what is wrong with a split.
func (s Split) Validate() error {
	switch {
	case min(s.Kernel[0], s.Kernel[1], s.Stride[0], s.Stride[1]) < 1:
		return fault.Inputf("tiles: ks %v, stride %v: want at least 1", s.Kernel, s.Stride)
	case s.Stride[0] > s.Kernel[0] || s.Stride[1] > s.Kernel[1]:
		return fault.Inputf("tiles: stride %v is larger than ks %v: pixels between the patches would be in none", s.Stride, s.Kernel)
	case !(s.MinWeight > 0) || !(s.MaxWeight >= s.MinWeight) || s.TieBreaker && (!(s.MinTieWeight > 0) || !(s.MaxTieWeight >= s.MinTieWeight)):
		return fault.Inputf("tiles: weights from %g to %g (tie %g to %g): want positive ones in order", s.MinWeight, s.MaxWeight, s.MinTieWeight, s.MaxTieWeight)
	}
	return nil
}

// Ratio is how many pixels of the result one pixel of the input becomes: {8, 1} for
// a decoder of factor 8, {1, 8} for its encoder, {1, 1} for a denoiser.
type Ratio struct{ Up, Down int }

// Same is the ratio of what keeps the size.
var Same = Ratio{1, 1}

// Patch is what a function of Apply is given: the same place of each input.
type Patch struct {
	Top, Left int              // of the patch, in pixels of the first input
	X         []*tensor.Tensor // [N, ks, ks, C]
}

// Apply cuts inputs [N, H, W, C], all of one height and width, into patches, maps
// each to a patch [N, ks·ratio, ks·ratio, D], and joins the results: every pixel is
// the mean over the patches that it is in, each weighted by the pixel's distance to
// that patch's border. Unlike in the reference the last row and column of patches
// ends at the rim whatever the stride, so that all is covered; and a patch is not
// larger than the whole. (Supplement, section on convolutional sampling; the
// reference's get_fold_unfold.)
func (s Split) Apply(ctx context.Context, inputs []*tensor.Tensor, ratio Ratio, f func(context.Context, Patch) (*tensor.Tensor, error)) (*tensor.Tensor, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	h, w := inputs[0].Shape[1], inputs[0].Shape[2]
	s, err := s.within(h, w, ratio)
	if err != nil {
		return nil, err
	}
	ys, xs := starts(h, s.Kernel[0], s.Stride[0]), starts(w, s.Kernel[1], s.Stride[1])
	var sum joiner
	for i, top := range ys {
		for j, left := range xs {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			p := Patch{Top: top, Left: left}
			for _, x := range inputs {
				p.X = append(p.X, Crop(x, top, left, s.Kernel[0], s.Kernel[1]))
			}
			y, err := f(ctx, p)
			if err != nil {
				return nil, err
			}
			if sum.value == nil {
				sum = newJoiner(y.Shape[0], ratio.of(h), ratio.of(w), y.Shape[3])
			}
			sum.add(y, ratio.of(top), ratio.of(left), s.weights(y.Shape[1], y.Shape[2]), s.tie(i, j, len(ys), len(xs)))
		}
	}
	return sum.mean(), nil
}

func (r Ratio) of(n int) int { return n * r.Up / r.Down }

// within limits patches to the whole, and wants places that the ratio divides.
func (s Split) within(h, w int, r Ratio) (Split, error) {
	for axis, size := range []int{h, w} {
		s.Kernel[axis] = min(s.Kernel[axis], size)
		s.Stride[axis] = min(s.Stride[axis], s.Kernel[axis])
		if s.Kernel[axis]%r.Down != 0 || s.Stride[axis]%r.Down != 0 || size%r.Down != 0 {
			return s, fault.Inputf("tiles: ks %v, stride %v of %dx%d: want multiples of %d", s.Kernel, s.Stride, w, h, r.Down)
		}
	}
	return s, nil
}

// starts are the first pixels of the patches along one axis.
func starts(size, kernel, stride int) []int {
	var out []int
	for at := 0; at+kernel < size; at += stride {
		out = append(out, at)
	}
	return append(out, size-kernel)
}

// weights are those of a patch's pixels: the distance to its border, from 0 at the
// border to ½ in the middle, within the limits.
func (s Split) weights(h, w int) []float64 {
	out := make([]float64, h*w)
	for i := range out {
		out[i] = min(max(borderDistance(i/w, i%w, h, w), s.MinWeight), s.MaxWeight)
	}
	return out
}

// tie is the weight of a whole patch by its place in the grid of patches.
func (s Split) tie(i, j, rows, columns int) float64 {
	if !s.TieBreaker {
		return 1
	}
	return min(max(borderDistance(i, j, rows, columns), s.MinTieWeight), s.MaxTieWeight)
}

// borderDistance is how far a place of a grid is from its border, as a share of
// height or width. Along an axis of one place all is in the middle.
func borderDistance(y, x, h, w int) float64 {
	d := .5
	for _, axis := range [][2]int{{y, h - 1}, {x, w - 1}} {
		if axis[1] > 0 {
			t := float64(axis[0]) / float64(axis[1])
			d = min(d, t, 1-t)
		}
	}
	return d
}

// Crop copies the window of a picture [N, H, W, C] that begins at top and left.
func Crop(x *tensor.Tensor, top, left, h, w int) *tensor.Tensor {
	n, width, c := x.Shape[0], x.Shape[2], x.Shape[3]
	y := tensor.New(n, h, w, c)
	for i := range n {
		from, to := x.Row(i).F32, y.Row(i).F32
		for row := range h {
			copy(to[row*w*c:(row+1)*w*c], from[((top+row)*width+left)*c:])
		}
	}
	return y
}

// joiner sums weighted patches.
type joiner struct {
	value  *tensor.Tensor
	weight []float64 // of a pixel, over all patches
}

func newJoiner(n, h, w, c int) joiner {
	return joiner{tensor.New(n, h, w, c), make([]float64, h*w)}
}

func (j joiner) add(patch *tensor.Tensor, top, left int, weights []float64, tie float64) {
	w, c := patch.Shape[2], patch.Shape[3]
	width := j.value.Shape[2]
	for k, weight := range weights {
		at := (top+k/w)*width + left + k%w
		weight *= tie
		j.weight[at] += weight
		for i := range patch.Shape[0] {
			to := j.value.Row(i).F32[at*c : at*c+c]
			for ch, v := range patch.Row(i).F32[k*c : k*c+c] {
				to[ch] += float32(weight) * v
			}
		}
	}
}

func (j joiner) mean() *tensor.Tensor {
	c := j.value.Shape[3]
	for i := range j.value.Shape[0] {
		row := j.value.Row(i).F32
		for at, weight := range j.weight {
			for ch := range c {
				row[at*c+ch] /= float32(weight)
			}
		}
	}
	return j.value
}
