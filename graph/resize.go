package graph

import (
	"fmt"
	"slices"
)

// ResizeMethods are the legal methods of Resize.
var ResizeMethods = []string{"nearest", "bilinear", "bicubic", "area"}

// Resize samples pictures anew at Scale times their size, rounded down, as
// PyTorch's interpolate does with a scale factor and align_corners false: pixel
// i of the result lies at (i+½)/Scale - ½ of x. Bilinear and bicubic (with
// a = -¾) do not smooth; area averages the pixels below each of the result.
// It has no gradient.
//
//	x  [N, H, W, C]
//	y  [N, ⌊Scale·H⌋, ⌊Scale·W⌋, C]
type Resize struct {
	Method string
	Scale  float64
}

func (op Resize) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if !slices.Contains(ResizeMethods, op.Method) {
		return nil, fmt.Errorf("method %q: want one of %v", op.Method, ResizeMethods)
	}
	if len(s) != 4 || !(op.Scale > 0) || op.Scale > 64 || float64(s[1])*op.Scale < 1 || float64(s[2])*op.Scale < 1 {
		return nil, fmt.Errorf("%v at %g times its size", s, op.Scale)
	}
	return []Type{float(s[0], int(float64(s[1])*op.Scale), int(float64(s[2])*op.Scale), s[3])}, nil
}

// Resize samples x [N, H, W, C] anew at scale times its size.
func (g *Graph) Resize(x Value, method string, scale float64) Value {
	return g.one(Resize{method, scale}, x)
}
