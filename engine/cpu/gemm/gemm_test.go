package gemm

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/tensor"
)

func random(n int, key uint64) []float32 {
	x := make([]float32, n)
	tensor.NewStream(7, key).Normal(x)
	return x
}

// run packs, binds and runs a plan with dirty scratch.
func run(p *plans.Plan, workers int, a plans.Args) {
	pool := par.NewPool(workers)
	defer pool.Close()
	if p.PackedLen > 0 {
		packed := make([]float32, p.PackedLen)
		pool.Run(p.Pack(plans.Weights{F32: packed}, plans.Weights{F32: a.W}, make([]float32, p.PackScratch(tensor.F32, tensor.F32))))
		a.W = packed
	}
	a.Scratch = make([]float32, p.ScratchLen)
	for i := range a.Scratch {
		a.Scratch[i] = float32(math.NaN())
	}
	pool.Run(p.Bind(a))
}

func relErr(got []float32, want []float64) float64 {
	var worst, scale float64
	for i, w := range want {
		d := math.Abs(float64(got[i]) - w)
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst, scale = max(worst, d), max(scale, math.Abs(w))
	}
	return worst / max(scale, 1e-30)
}

func tolerance(level isa.Level, prec plans.Precision) float64 {
	switch use, split := plans.UseTiles(prec, level); {
	case use && !split:
		return 1e-2
	case use: // an operand keeps 16 bits
		return 2e-5
	case prec == plans.F32 && kernels.For(level).Winograd != nil:
		return 1e-5
	}
	return 2e-6
}

type mode struct {
	level isa.Level
	prec  plans.Precision
}

// levels are the instruction sets of this machine; for a short test the one in use.
func levels() []isa.Level {
	if testing.Short() {
		return []isa.Level{isa.Current()}
	}
	return isa.Available()
}

func modes() []mode {
	var all []mode
	for _, l := range levels() {
		all = append(all, mode{l, plans.F32}, mode{l, plans.Exact})
		if use, _ := plans.UseTiles(plans.BF16, l); use {
			all = append(all, mode{l, plans.BF16})
		}
	}
	return all
}

func naiveMatMul(s plans.MatMul, a, b []float32) []float64 {
	y := make([]float64, s.M*s.N)
	for i := range s.M {
		for j := range s.N {
			for k := range s.K {
				av, bv := a[i*s.K+k], b[k*s.N+j]
				if s.TransA {
					av = a[k*s.M+i]
				}
				if s.TransB {
					bv = b[j*s.K+k]
				}
				y[i*s.N+j] += float64(av) * float64(bv)
			}
		}
	}
	return y
}

func TestMatMul(t *testing.T) {
	for i, s := range []plans.MatMul{{M: 1, N: 1, K: 1}, {M: 5, N: 7, K: 3}, {M: 33, N: 65, K: 130}, {M: 64, N: 96, K: 7000}, {M: 3, N: 17, K: 40}, {M: 100, N: 32, K: 64}} {
		for _, trans := range []plans.MatMul{{}, {TransB: true}, {TransA: true}} {
			s.TransA, s.TransB = trans.TransA, trans.TransB
			a, b := random(s.M*s.K, uint64(i)), random(s.K*s.N, uint64(i+100))
			args := plans.Args{X: a, W: b}
			want := naiveMatMul(s, a, b)
			if !s.TransA {
				args.Bias, args.Add = random(s.N, 1), random(s.M*s.N, 2)
				for j := range want {
					want[j] += float64(args.Bias[j%s.N]) + float64(args.Add[j])
				}
			}
			for _, m := range modes() {
				args.Y = make([]float32, s.M*s.N)
				run(planMatMul(s, m.prec, 2, m.level), 2, args)
				if e := relErr(args.Y, want); !(e < tolerance(m.level, m.prec)) {
					t.Errorf("%v %v %+v: error %g", m.level, m.prec, s, e)
				}
			}
		}
	}
}

func naiveConv(c plans.Conv, x, w []float32, visit func(y, xi, wi int)) {
	oh, ow := c.OutSize()
	for n := range c.N {
		for oy := range oh {
			for ox := range ow {
				for ky := range c.KH {
					for kx := range c.KW {
						iy, ix := oy*c.Stride+ky-c.PadTop, ox*c.Stride+kx-c.PadLeft
						if iy < 0 || ix < 0 || iy >= c.H || ix >= c.W {
							continue
						}
						for o := range c.O {
							for ch := range c.C {
								visit(((n*oh+oy)*ow+ox)*c.O+o, ((n*c.H+iy)*c.W+ix)*c.C+ch, ((o*c.C+ch)*c.KH+ky)*c.KW+kx)
							}
						}
					}
				}
			}
		}
	}
}

var convs = []plans.Conv{
	{N: 1, H: 1, W: 1, C: 5, O: 3, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 3, H: 7, W: 5, C: 3, O: 40, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 2, H: 8, W: 8, C: 32, O: 32, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 1, H: 9, W: 16, C: 50, O: 70, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 2, H: 8, W: 6, C: 20, O: 24, KH: 3, KW: 3, Stride: 2, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
	{N: 2, H: 9, W: 7, C: 33, O: 16, KH: 3, KW: 3, Stride: 2, PadTop: 0, PadBottom: 1, PadLeft: 0, PadRight: 1},
	{N: 2, H: 8, W: 8, C: 16, O: 48, KH: 1, KW: 1, Stride: 1},
	{N: 1, H: 6, W: 6, C: 4, O: 4, KH: 1, KW: 1, Stride: 2},
	{N: 1, H: 11, W: 12, C: 17, O: 6, KH: 5, KW: 5, Stride: 1, PadTop: 2, PadBottom: 2, PadLeft: 2, PadRight: 2},
	{N: 1, H: 40, W: 40, C: 18, O: 9, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1},
}

// summed is a convolution with its results and gradients by plain sums.
type summed struct {
	x, w, dy, bias, add []float32
	y, gradX, gradW     []float64
}

var (
	sums     = map[plans.Conv]*summed{}
	sumsLock sync.Mutex
)

// sumsOf sums a convolution once for all tests that compare with it.
func sumsOf(c plans.Conv) *summed {
	sumsLock.Lock()
	defer sumsLock.Unlock()
	if s := sums[c]; s != nil {
		return s
	}
	oh, ow := c.OutSize()
	outs := c.N * oh * ow * c.O
	s := &summed{x: random(c.N*c.H*c.W*c.C, 1), w: random(c.O*c.C*c.KH*c.KW, 2), dy: random(outs, 3), bias: random(c.O, 4), add: random(outs, 5)}
	s.y, s.gradX, s.gradW = make([]float64, outs), make([]float64, len(s.x)), make([]float64, len(s.w))
	for i := range s.y {
		s.y[i] = float64(s.bias[i%c.O]) + float64(s.add[i])
	}
	naiveConv(c, s.x, s.w, func(yi, xi, wi int) {
		s.y[yi] += float64(s.x[xi]) * float64(s.w[wi])
		s.gradX[xi] += float64(s.dy[yi]) * float64(s.w[wi])
		s.gradW[wi] += float64(s.dy[yi]) * float64(s.x[xi])
	})
	sums[c] = s
	return s
}

func TestConv(t *testing.T) {
	for _, c := range convs {
		s := sumsOf(c)
		for _, m := range modes() {
			check := func(what string, got []float32, want []float64) {
				if e := relErr(got, want); !(e < tolerance(m.level, m.prec)) {
					t.Errorf("%v %v %s %+v: error %g", m.level, m.prec, what, c, e)
				}
			}
			y, dx, dw := make([]float32, len(s.y)), make([]float32, len(s.x)), make([]float32, len(s.w))
			run(planConv(c, m.prec, 2, m.level), 2, plans.Args{X: s.x, W: s.w, Y: y, Bias: s.bias, Add: s.add})
			check("forward", y, s.y)
			run(planConvGradX(c, m.prec, 2, m.level), 2, plans.Args{X: s.dy, W: s.w, Y: dx})
			check("gradient to x", dx, s.gradX)
			run(planConvGradW(c, m.prec, 2, m.level), 2, plans.Args{X: s.x, W: s.dy, Y: dw})
			check("gradient to w", dw, s.gradW)
		}
	}
}

// TestSplit holds float32 made of split bfloat16 products against plain sums,
// with the portable twin of the tiles and with this machine's.
func TestSplit(t *testing.T) {
	all := []kernels.Tiles{kernels.PortableTiles}
	if top := isa.Available()[len(isa.Available())-1]; top.Has(isa.AVX512BF16) { // no other tiles split float32
		all = append(all, kernels.TilesFor(top))
	}
	for _, tl := range all {
		for i, c := range convs {
			oh, ow := c.OutSize()
			x, w, dy := random(c.N*c.H*c.W*c.C, uint64(i)), random(c.O*c.C*c.KH*c.KW, 7), random(c.N*oh*ow*c.O, 8)
			y, dx, dw := make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(w))
			naiveConv(c, x, w, func(yi, xi, wi int) {
				y[yi] += float64(x[xi]) * float64(w[wi])
				dx[xi] += float64(dy[yi]) * float64(w[wi])
				dw[wi] += float64(dy[yi]) * float64(x[xi])
			})
			gotY, gotX, gotW := make([]float32, len(y)), make([]float32, len(x)), make([]float32, len(w))
			run(tiled.Plan(plans.Forward(c), c.Weights(), 2, tl, true), 2, plans.Args{X: x, W: w, Y: gotY})
			run(tiled.Plan(plans.Backward(c), c.WeightsBackward(), 2, tl, true), 2, plans.Args{X: dy, W: w, Y: gotX})
			run(tiled.PlanGrad(c, plans.Layout{Row: c.KH * c.KW, Col: c.C * c.KH * c.KW, Tap: 1}, 2, tl, true), 2, plans.Args{X: x, W: dy, Y: gotW})
			for what, e := range map[string]float64{"forward": relErr(gotY, y), "gradient to x": relErr(gotX, dx), "gradient to w": relErr(gotW, dw)} {
				if !(e < 2e-5) {
					t.Errorf("%s %s %+v: error %g", tl.Name, what, c, e)
				}
			}
		}
	}
}

// TestUp: a convolution of an enlarged picture equals one of the picture that
// was enlarged before.
func TestUp(t *testing.T) {
	for _, m := range modes() {
		for _, channels := range []int{3, 20, 48} {
			c := plans.Conv{N: 2, H: 18, W: 16, C: channels, O: 40, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadBottom: 1, PadLeft: 1, PadRight: 1}
			w, small := random(c.O*c.C*9, 1), random(c.N*9*8*c.C, 2)
			large := make([]float32, c.N*c.H*c.W*c.C)
			for i := range c.N * c.H * c.W {
				n, y, x := i/(c.H*c.W), i/c.W%c.H, i%c.W
				copy(large[i*c.C:][:c.C], small[((n*9+y/2)*8+x/2)*c.C:])
			}
			want, got := make([]float32, c.N*c.H*c.W*c.O), make([]float32, c.N*c.H*c.W*c.O)
			run(planConv(c, m.prec, 2, m.level), 2, plans.Args{X: large, W: w, Y: want})
			c.Up = 2
			run(planConv(c, m.prec, 2, m.level), 2, plans.Args{X: small, W: w, Y: got})
			same(t, fmt.Sprintf("%v %+v", m, c), got, want)
		}
	}
}

// TestSameBits: results do not depend on the number of workers, nor on a
// picture's place in a batch.
func TestSameBits(t *testing.T) {
	for _, m := range modes() {
		for i, c := range convs {
			oh, ow := c.OutSize()
			one := c
			one.N, c.N = 1, 3
			x, w, dy := random(c.N*c.H*c.W*c.C, uint64(i)), random(c.O*c.C*c.KH*c.KW, 5), random(c.N*oh*ow*c.O, 6)
			all, alone := make([]float32, len(dy)), make([]float32, len(dy)/3)
			run(planConv(c, m.prec, 3, m.level), 3, plans.Args{X: x, W: w, Y: all})
			run(planConv(one, m.prec, 1, m.level), 1, plans.Args{X: x[len(x)/3*2:], W: w, Y: alone})
			same(t, fmt.Sprintf("%v forward %+v", m, c), all[len(all)/3*2:], alone)
			all, alone = make([]float32, len(x)), make([]float32, len(x)/3)
			run(planConvGradX(c, m.prec, 3, m.level), 3, plans.Args{X: dy, W: w, Y: all})
			run(planConvGradX(one, m.prec, 1, m.level), 1, plans.Args{X: dy[len(dy)/3:], W: w, Y: alone})
			same(t, fmt.Sprintf("%v gradient %+v", m, c), all[len(all)/3:len(all)/3*2], alone)
			all, alone = make([]float32, len(w)), make([]float32, len(w))
			run(planConvGradW(c, m.prec, 3, m.level), 3, plans.Args{X: x, W: dy, Y: all})
			run(planConvGradW(c, m.prec, 1, m.level), 1, plans.Args{X: x, W: dy, Y: alone})
			same(t, fmt.Sprintf("%v weights %+v", m, c), all, alone)
		}
	}
}

func same(t *testing.T, what string, a, b []float32) {
	t.Helper()
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			t.Errorf("%s: element %d: %g and %g", what, i, a[i], b[i])
			return
		}
	}
}

// TestTiles holds the tile instructions against their twin.
func TestTiles(t *testing.T) {
	for _, level := range levels() {
		tl := kernels.TilesFor(level)
		x := random(5*47, 1)
		a, b := make([]uint16, 47), make([]uint16, 47)
		tl.Row(&a[0], &x[0], 47)
		kernels.RowPortable(&b[0], &x[0], 47)
		pa, pb := make([]uint32, 47), make([]uint32, 47)
		tl.Pairs(&pa[0], &x[47], &x[94], 47)
		kernels.PairsPortable(&pb[0], &x[47], &x[94], 47)
		words := make([]uint32, 400)
		for i := range words {
			words[i] = uint32(i)
		}
		ta, tb := make([]uint32, 400), make([]uint32, 400)
		tl.Transpose(&ta[0], 100, &words[0], 96)
		kernels.TransposePortable(&tb[0], 100, &words[0], 96)
		if fmt.Sprint(a, pa, ta) != fmt.Sprint(b, pb, tb) {
			t.Errorf("%v: conversions differ from the portable ones", level)
		}
	}
}
