package graph

import "fmt"

// want checks the number of inputs and that all are float32.
func want(in []Type, counts ...int) error {
	ok := false
	for _, c := range counts {
		ok = ok || len(in) == c
	}
	if !ok {
		return fmt.Errorf("%d inputs, want %v", len(in), counts)
	}
	for i, t := range in {
		if t.DType != Float32 {
			return fmt.Errorf("input %d is %v, want float32", i, t)
		}
	}
	return nil
}

// wantShape checks input i against a shape.
func wantShape(in []Type, i int, name string, shape ...int) error {
	if !in[i].Shape.Equal(shape) {
		return fmt.Errorf("%s is %v, want %v", name, in[i].Shape, Shape(shape))
	}
	return nil
}

func float(shape ...int) Type { return Type{Float32, shape} }

// withLast is shape s with the last axis replaced.
func withLast(s Shape, last int) Shape {
	out := append(Shape(nil), s...)
	out[len(out)-1] = last
	return out
}
