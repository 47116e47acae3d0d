package tensor

import (
	"math"
	"testing"
)

func TestHalfRoundTrip(t *testing.T) {
	for h := range 1 << 16 {
		v := FromFloat16(uint16(h))
		if math.IsNaN(float64(v)) {
			continue
		}
		if got := Float16(v); got != uint16(h) {
			t.Fatalf("float16 %#04x: %g: back %#04x", h, v, got)
		}
		if w := FromBFloat16(uint16(h)); !math.IsNaN(float64(w)) && BFloat16(w) != uint16(h) {
			t.Fatalf("bfloat16 %#04x", h)
		}
	}
	for _, c := range []struct {
		v float32
		h uint16
	}{{1 + 1.0/2048, 0x3c00}, {1 + 3.0/2048, 0x3c02}, {65519, 0x7bff}, {65520, 0x7c00}, {3e-8, 1}, {2.9e-8, 0}, {-70000, 0xfc00}} {
		if got := Float16(c.v); got != c.h {
			t.Errorf("Float16(%g) = %#04x, want %#04x", c.v, got, c.h)
		}
	}
}

func TestPermute(t *testing.T) {
	x := New(2, 3, 4, 5)
	for i := range x.F32 {
		x.F32[i] = float32(i)
	}
	y := x.ToNHWC()
	if !y.Shape.Equal(Shape{2, 4, 5, 3}) || y.F32[((1*4+2)*5+3)*3+1] != x.F32[((1*3+1)*4+2)*5+3] {
		t.Fatal("permuted wrongly")
	}
	for i, v := range y.ToNCHW().F32 {
		if v != x.F32[i] {
			t.Fatal("not undone")
		}
	}
}

func TestStream(t *testing.T) {
	a, b := make([]float32, 1000), make([]float32, 1000)
	NewStream(1, 2, 3).Normal(a)
	NewStream(1, 2, 4).Normal(b)
	var same int
	var mean, square float64
	for i := range a {
		if a[i] == b[i] {
			same++
		}
		mean += float64(a[i]) / 1000
		square += float64(a[i]) * float64(a[i]) / 1000
	}
	if same > 2 || math.Abs(mean) > .15 || math.Abs(square-1) > .2 {
		t.Errorf("streams look wrong: %d equal, mean %g, variance %g", same, mean, square)
	}
}
