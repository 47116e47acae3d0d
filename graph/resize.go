package graph

import (
	"fmt"
	"slices"
	"strings"
)

// ResizeMethod is how a pixel of Resize follows from those around it.
type ResizeMethod uint8

// The methods of Resize.
const (
	ResizeNearest ResizeMethod = iota
	ResizeBilinear
	ResizeBicubic
	ResizeArea
)

// ResizeMethods lists the methods of Resize.
var ResizeMethods = []ResizeMethod{ResizeNearest, ResizeBilinear, ResizeBicubic, ResizeArea}

var resizeNames = []string{"nearest", "bilinear", "bicubic", "area"}

// String is PyTorch's name of the method.
func (m ResizeMethod) String() string {
	if int(m) < len(resizeNames) {
		return resizeNames[m]
	}
	return fmt.Sprintf("ResizeMethod(%d)", uint8(m))
}

// MarshalText writes the name.
func (m ResizeMethod) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a name.
func (m *ResizeMethod) UnmarshalText(b []byte) error {
	i := slices.Index(resizeNames, string(b))
	if i < 0 {
		return fmt.Errorf("%q: want %s", b, strings.Join(resizeNames, ", "))
	}
	*m = ResizeMethod(i)
	return nil
}

// Resize samples pictures anew at Scale times their size, rounded down, as
// PyTorch's interpolate does with a scale factor and align_corners false: pixel
// i of the result lies at (i+½)/Scale - ½ of x. Bilinear and bicubic (with
// a = -¾) do not smooth; area averages the pixels below each of the result.
// It has no gradient.
//
//	x  [N, H, W, C]
//	y  [N, ⌊Scale·H⌋, ⌊Scale·W⌋, C]
type Resize struct {
	Method ResizeMethod
	Scale  float64
}

func (op Resize) infer(in []Type) ([]Type, error) {
	if err := want(in, 1); err != nil {
		return nil, err
	}
	s := in[0].Shape
	if !slices.Contains(ResizeMethods, op.Method) {
		return nil, fmt.Errorf("method %v: want one of %v", op.Method, ResizeMethods)
	}
	if len(s) != 4 || !(op.Scale > 0) || op.Scale > 64 || float64(s[1])*op.Scale < 1 || float64(s[2])*op.Scale < 1 {
		return nil, fmt.Errorf("%v at %g times its size", s, op.Scale)
	}
	return []Type{float(s[0], int(float64(s[1])*op.Scale), int(float64(s[2])*op.Scale), s[3])}, nil
}

// Resize samples x [N, H, W, C] anew at scale times its size.
func (g *Graph) Resize(x Value, method ResizeMethod, scale float64) Value {
	return g.one(Resize{method, scale}, x)
}
