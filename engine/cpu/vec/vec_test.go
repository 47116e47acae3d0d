package vec

import (
	"math"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/tensor"
)

func sample(n int, scale float32) []float32 {
	x := make([]float32, n)
	tensor.NewStream(3, uint64(n)).Normal(x)
	for i := range x {
		x[i] *= scale
	}
	return x
}

func ones(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = 1
	}
	return x
}

// levels runs a test with every implementation this machine has.
func levels(t *testing.T, run func(t *testing.T)) {
	before := use
	defer func() { use = before }()
	for _, l := range isa.Available() {
		if l == isa.AMX { // has the vectors of the level before it
			continue
		}
		use = kernelsOf(l)
		t.Run(l.String(), run)
	}
}

// elements is what functions of elements are held against; the error of each is
// relative to scale.
var elements = []struct {
	name  string
	run   func(dst, x, y []float32)
	want  func(x, y float64) float64
	scale func(x, y float64) float64
	tol   float64
}{
	{"Exp", func(d, x, _ []float32) { Exp(d, x) }, func(x, _ float64) float64 { return math.Exp(min(max(x, -87), 88)) },
		func(x, _ float64) float64 { return math.Exp(min(max(x, -87), 88)) }, 2e-7},
	{"SiLU", func(d, x, _ []float32) { SiLU(d, x) }, func(x, _ float64) float64 { return x * sigmoid(x) }, ofX, 2e-7},
	{"GELU", func(d, x, _ []float32) { GELU(d, x) }, func(x, _ float64) float64 { return x * phi(x) }, ofX, 3e-7},
	{"QuickGELU", func(d, x, _ []float32) { QuickGELU(d, x) }, func(x, _ float64) float64 { return x * sigmoid(1.702*x) }, ofX, 2e-7},
	{"ReLU", func(d, x, _ []float32) { ReLU(d, x) }, func(x, _ float64) float64 { return max(x, 0) }, ofX, 0},
	{"Add", Add, func(x, y float64) float64 { return x + y }, func(x, y float64) float64 { return math.Abs(x + y) }, 6e-8},
	{"Sub", Sub, func(x, y float64) float64 { return x - y }, func(x, y float64) float64 { return math.Abs(x - y) }, 6e-8},
	{"Mul", Mul, func(x, y float64) float64 { return x * y }, func(x, y float64) float64 { return math.Abs(x * y) }, 6e-8},
	{"Div", Div, func(x, y float64) float64 { return x / y }, func(x, y float64) float64 { return math.Abs(x / y) }, 6e-8},
	{"Maximum", Maximum, func(x, y float64) float64 { return max(x, y) }, ofX, 0},
	{"SiLUGrad", SiLUGrad, func(x, d float64) float64 {
		s := sigmoid(x)
		return d * s * (1 + x*(1-s))
	}, ofGrad, 3e-7},
	{"GELUGrad", GELUGrad, func(x, d float64) float64 {
		return d * (phi(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi))
	}, ofGrad, 4e-7},
	{"ReLUGrad", ReLUGrad, func(x, d float64) float64 {
		if x > 0 {
			return d
		}
		return 0
	}, ofX, 0},
	{"GEGLU", GEGLU, func(v, g float64) float64 { return v * g * phi(g) }, ofGate, 4e-7},
	{"Affine", func(d, x, _ []float32) { Affine(d, x, .75, -.5) }, func(x, _ float64) float64 { return .75*x - .5 }, ofGrad0, 2e-7},
	{"ScaledSum", func(d, x, y []float32) { ScaledSum(d, x, y, .75, -.5) }, func(x, y float64) float64 { return .75*x - .5*y },
		func(x, y float64) float64 { return math.Abs(x) + math.Abs(y) }, 2e-7},
	{"SoftmaxGrad", func(d, x, y []float32) { SoftmaxGrad(d, x, y, .5) }, func(x, y float64) float64 { return x * (y - .5) },
		func(x, y float64) float64 { return math.Abs(x * (y - .5)) }, 2e-7},
	{"GEGLUGrad value", func(d, v, g []float32) { GEGLUGrad(d, make([]float32, len(d)), v, g, v) },
		func(v, g float64) float64 { return v * g * phi(g) }, ofGate, 4e-7},
	{"GEGLUGrad gate", func(d, v, g []float32) { GEGLUGrad(make([]float32, len(d)), d, v, g, ones(len(d))) },
		func(v, g float64) float64 { return v * (phi(g) + g*math.Exp(-g*g/2)/math.Sqrt(2*math.Pi)) },
		func(v, g float64) float64 { return math.Abs(v) * max(math.Abs(g), 1) }, 5e-7},
}

// ofGate allows for a denormal between.
func ofGate(v, g float64) float64 { return math.Abs(v) * max(math.Abs(g), 1.2e-38) }

func ofX(x, _ float64) float64     { return math.Abs(x) }
func ofGrad(x, d float64) float64  { return max(math.Abs(x), 1) * math.Abs(d) }
func ofGrad0(x, _ float64) float64 { return max(math.Abs(x), 1) }

// disagreement is the error of got in units of scale, infinite where want is
// finite and got NaN, or the other way round. Results that denormals of float32
// cannot hold any better are taken as exact.
func disagreement(got float32, want, scale float64) float64 {
	g := float64(got)
	switch finite := math.Abs(want) <= math.MaxFloat32; {
	case !finite && g-g != 0 && (g != g || want != want || (g > 0) == (want > 0)):
		return 0
	case g != g:
		return math.Inf(1)
	case g-g != 0:
		return (math.MaxFloat32 - math.Abs(want)) / scale // what overflowed was this wrong at least
	case math.Abs(g-want) <= 3e-45:
		return 0
	default:
		return math.Abs(g-want) / scale
	}
}

// TestErrors measures functions of elements against float64, over the whole
// range of x for those of one array.
func TestErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("compares millions of numbers with float64")
	}
	var x []float32
	for b := uint32(1); b < 0x7f800000; b += 14983 {
		x = append(x, math.Float32frombits(b), -math.Float32frombits(b))
	}
	for i := range 1 << 16 {
		x = append(x, float32(i-1<<15)/2048) // the range that matters, densely
	}
	y := sample(len(x), 2)
	got := make([]float32, len(x))
	levels(t, func(t *testing.T) {
		for _, f := range elements {
			f.run(got, x, y)
			var worst float64
			at := 0
			for i := range x {
				a, b := float64(x[i]), float64(y[i])
				if e := disagreement(got[i], f.want(a, b), f.scale(a, b)); e > worst {
					worst, at = e, i
				}
			}
			t.Logf("%s: %.3g at %g, %g", f.name, worst, x[at], y[at])
			if !(worst <= f.tol) {
				t.Errorf("%s(%g, %g) = %g: error %g", f.name, x[at], y[at], got[at], worst)
			}
		}
	})
}

var special = []float32{
	0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()),
	1e-45, -1e-45, 3e-39, -3e-39, 1e-30, math.MaxFloat32, -math.MaxFloat32, 1e30, -1e30, 88.5, -88.5, 87.5, -87.5, 1, -1,
}

// TestSpecialValues puts special values at every place of short arrays, and
// looks at what lies beside the results.
func TestSpecialValues(t *testing.T) {
	levels(t, func(t *testing.T) {
		for n := range 71 {
			for shift := range special {
				x, y := sample(n, 2), sample(2*n, 2)[n:]
				for i := 0; i < n; i += 3 {
					x[i], y[(i+1)%n] = special[(i+shift)%len(special)], special[(i*7+shift)%len(special)]
				}
				for _, f := range elements {
					got := sample(n+2, 1)
					left, right := got[0], got[n+1]
					f.run(got[1:][:n], x, y)
					if got[0] != left || got[n+1] != right {
						t.Fatalf("%s of %d writes beside its result", f.name, n)
					}
					for i := range n {
						a, b := float64(x[i]), float64(y[i])
						want := f.want(a, b)
						if e := disagreement(got[i+1], want, f.scale(a, b)); !(e <= f.tol) {
							t.Fatalf("%s(%g, %g) = %g, want %g", f.name, a, b, got[i+1], want)
						}
					}
				}
			}
		}
	})
}

// TestSameBits: an element's result depends neither on its place nor on the
// width of the vectors.
func TestSameBits(t *testing.T) {
	all := isa.Available()
	if len(all) == 1 {
		t.Skip("no vectors here")
	}
	narrow, best := all[1], all[len(all)-1]
	before := use
	defer func() { use = before }()
	x, y := append(sample(500, 6), special...), append(sample(520, 3), special...)[20:]
	for _, f := range elements {
		use = kernelsOf(narrow)
		want := make([]float32, len(x))
		f.run(want, x, y)
		for _, l := range []isa.Level{narrow, best} {
			use = kernelsOf(l)
			got := make([]float32, len(x))
			for i, step := 0, 1; i < len(x); i, step = i+step, step%37+1 {
				to := min(i+step, len(x))
				f.run(got[i:to], x[i:to], y[i:to])
			}
			for i := range got {
				if math.Float32bits(got[i]) != math.Float32bits(want[i]) && (got[i] == got[i] || want[i] == want[i]) {
					t.Fatalf("%s(%g, %g) is %g with %v, in pieces, and %g with %v", f.name, x[i], y[i], got[i], l, want[i], narrow)
				}
			}
		}
	}
}
