package layer

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/tensor"
)

// attentionOperands are the arrays of an attention and its gradient.
type attentionOperands struct{ q, k, v, y, lse, dy, dq, dk, dv []float32 }

func newAttentionOperands(a Attention) *attentionOperands {
	queries, keys := a.N*a.T*a.width(), a.N*a.S*a.width()
	x := &attentionOperands{
		q: make([]float32, queries), k: make([]float32, keys), v: make([]float32, keys), dy: make([]float32, queries),
	}
	for i, p := range [][]float32{x.q, x.k, x.v, x.dy} {
		tensor.NewStream(7, uint64(i)).Normal(p)
	}
	x.y, x.lse, x.dq, x.dk, x.dv = dirty(queries), dirty(a.N*a.Heads*a.T), dirty(queries), dirty(keys), dirty(keys)
	return x
}

// dirty is memory that was used before.
func dirty(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.NaN())
	}
	return x
}

func (x *attentionOperands) args() AttentionArgs {
	return AttentionArgs{Q: x.q, K: x.k, V: x.v, Y: x.y, LSE: x.lse}
}

func (x *attentionOperands) forward(a Attention, workers int) []par.Phase {
	return a.Forward(x.args(), dirty(a.ScratchLen(workers, false)), workers)
}

func (x *attentionOperands) backward(a Attention, workers int) []par.Phase {
	return a.Backward(x.args(), AttentionGrads{x.dy, x.dq, x.dk, x.dv}, dirty(a.ScratchLen(workers, true)), workers)
}

// run computes both passes.
func (x *attentionOperands) run(a Attention, workers int) {
	pool := par.NewPool(workers)
	defer pool.Close()
	pool.Run(x.forward(a, workers))
	pool.Run(x.backward(a, workers))
}

// results are the arrays that run fills, by name.
func (x *attentionOperands) results() map[string][]float32 {
	return map[string][]float32{"y": x.y, "lse": x.lse, "dq": x.dq, "dk": x.dk, "dv": x.dv}
}

// plain computes all results by their definition, in float64.
func (x *attentionOperands) plain(a Attention) map[string][]float64 {
	y, lse, dq := make([]float64, len(x.q)), make([]float64, len(x.lse)), make([]float64, len(x.q))
	dk, dv := make([]float64, len(x.k)), make([]float64, len(x.k))
	dot := func(a, b []float32) (sum float64) {
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		return sum
	}
	scale := float64(a.Scale)
	p, dp := make([]float64, a.S), make([]float64, a.S)
	for i := range lse {
		n, h, t := i/(a.Heads*a.T), i/a.T%a.Heads, i%a.T
		q := (n*a.T+t)*a.width() + h*a.D
		key := func(s int) int { return (n*a.S+s)*a.width() + h*a.D }
		seen := a.S
		if a.Causal {
			seen = min(t+1, a.S)
		}
		var sum float64
		for s := range seen {
			p[s] = math.Exp(scale * dot(x.q[q:][:a.D], x.k[key(s):]))
			sum += p[s]
		}
		lse[i] = math.Log(sum)
		var delta float64
		for s := range seen {
			p[s] /= sum
			dp[s] = dot(x.dy[q:][:a.D], x.v[key(s):])
			delta += p[s] * dp[s]
			for c := range a.D {
				y[q+c] += p[s] * float64(x.v[key(s)+c])
				dv[key(s)+c] += p[s] * float64(x.dy[q+c])
			}
		}
		for s := range seen {
			ds := scale * p[s] * (dp[s] - delta)
			for c := range a.D {
				dq[q+c] += ds * float64(x.k[key(s)+c])
				dk[key(s)+c] += ds * float64(x.q[q+c])
			}
		}
	}
	return map[string][]float64{"y": y, "lse": lse, "dq": dq, "dk": dk, "dv": dv}
}

// attentionError is the largest error, in parts of the largest result or, where
// a gradient vanishes, of what it is the difference of.
func attentionError(got []float32, want []float64) float64 {
	worst, scale := 0., .1
	for i, w := range want {
		d := math.Abs(float64(got[i]) - w)
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst, scale = max(worst, d), max(scale, math.Abs(w))
	}
	return worst / scale
}

// attentionKind is a kind of products, with the error that it may make.
type attentionKind struct {
	small func(int) *gemm.Small
	tol   float64
}

func attentionKinds() map[string]attentionKind {
	kinds := map[string]attentionKind{"exact": {func(int) *gemm.Small { return gemm.NewSmall(gemm.Exact) }, 5e-6}}
	for _, level := range []isa.Level{isa.Portable, isa.AVX512BF16, isa.NEONBF16} {
		if !isa.Current().Has(level) {
			continue
		}
		// bfloat16 rounds up to six factors of a gradient (q, k; dy, v; ds, and q or k
		// again) by at most 2^-9 each. Split products leave out 4e-6 of a score, twice in
		// the backward pass, and so as much of its exponential as the score is large.
		for split, tol := range map[bool]float64{false: 6. / 512, true: 3e-5} {
			kinds[fmt.Sprintf("%v tiles, split %v", level, split)] = attentionKind{
				func(int) *gemm.Small { return gemm.NewSmallTiles(level, split) }, tol,
			}
		}
	}
	return kinds
}

var attentions = []Attention{
	{N: 1, T: 1, S: 1, Heads: 1, D: 1},
	{N: 2, T: 100, S: 1, Heads: 3, D: 12},
	{N: 2, T: 17, S: 9, Heads: 2, D: 5},
	{N: 1, T: 70, S: 70, Heads: 3, D: 32, Causal: true},
	{N: 2, T: 133, S: 77, Heads: 2, D: 40},
	{N: 1, T: 30, S: 301, Heads: 1, D: 33},
	{N: 1, T: 311, S: 530, Heads: 1, D: 20},
	{N: 1, T: 590, S: 259, Heads: 1, D: 7},
	{N: 1, T: 300, S: 300, Heads: 2, D: 8, Causal: true},
	{N: 1, T: 40, S: 33, Heads: 1, D: 270},
	{N: enoughPictures, T: 1, S: 2, Heads: 1, D: 3},
	{N: enoughPictures + 1, T: 150, S: 40, Heads: 2, D: 8},
}

// TestAttention holds both passes against their definition.
func TestAttention(t *testing.T) {
	if testing.Short() {
		t.Skip("computes many shapes in float64; the engine's suite has some of them")
	}
	for name, kind := range attentionKinds() {
		for _, a := range attentions {
			a.Scale = float32(1 / math.Sqrt(float64(a.D)))
			a.Products = kind.small
			x := newAttentionOperands(a)
			x.run(a, 2)
			want := x.plain(a)
			for what, got := range x.results() {
				if e := attentionError(got, want[what]); !(e < kind.tol) {
					t.Errorf("%s N%d T%d S%d heads %d D%d causal %v: error %g of %s", name, a.N, a.T, a.S, a.Heads, a.D, a.Causal, e, what)
				}
			}
		}
	}
}

// TestAttentionSameBits: results depend neither on the number of workers nor on
// the other pictures of a batch.
func TestAttentionSameBits(t *testing.T) {
	if testing.Short() {
		t.Skip("computes many shapes")
	}
	for name, kind := range attentionKinds() {
		if isa.Current() != isa.Portable && strings.HasPrefix(name, isa.Portable.String()) {
			continue // slow, and the same code
		}
		for _, a := range attentions {
			a.N, a.Scale, a.Products = max(a.N, 3), .3, kind.small
			batch := newAttentionOperands(a)
			batch.run(a, 1)
			first := batch.results()
			for workers := 2; workers <= 3; workers++ {
				x := newAttentionOperands(a)
				x.run(a, workers)
				for what, got := range x.results() {
					sameAttentionBits(t, fmt.Sprintf("%s %s with %d workers", name, what, workers), got, first[what])
				}
			}
			one := a
			one.N = 1
			alone := newAttentionOperands(one)
			last := func(x []float32) []float32 { return x[len(x)/a.N*(a.N-1):] }
			alone.q, alone.k, alone.v, alone.dy = last(batch.q), last(batch.k), last(batch.v), last(batch.dy)
			alone.run(one, 2)
			for what, got := range alone.results() {
				sameAttentionBits(t, fmt.Sprintf("%s %s alone", name, what), got, last(first[what]))
			}
		}
	}
}

func sameAttentionBits(t *testing.T, what string, a, b []float32) {
	t.Helper()
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			t.Errorf("%s: element %d: %g and %g", what, i, a[i], b[i])
			return
		}
	}
}

// TestAttentionTasks: running does not allocate, one head is the work of several
// tasks, and the memory of a worker does not grow with the numbers of queries and
// keys.
func TestAttentionTasks(t *testing.T) {
	a := Attention{N: 3, T: 300, S: 300, Heads: 2, D: 16, Scale: .3}
	x := newAttentionOperands(a)
	pool := par.NewPool(2)
	defer pool.Close()
	phases := append(x.forward(a, 2), x.backward(a, 2)...)
	if n := testing.AllocsPerRun(3, func() { pool.Run(phases) }); n != 0 {
		t.Errorf("%g allocations in a run", n)
	}
	one := Attention{N: 1, T: 1024, S: 1024, Heads: 1, D: 8}
	x = newAttentionOperands(one)
	for _, phase := range append(x.forward(one, 1)[1:], x.backward(one, 1)...) {
		if phase.Tasks < 4 {
			t.Errorf("%s of one head: %d tasks", phase.Name, phase.Tasks)
		}
	}
	worker := func(a Attention, backward bool) int { return a.ScratchLen(5, backward) - a.ScratchLen(4, backward) }
	long := a
	long.T, long.S = 10*a.T, 10*a.S
	for _, backward := range []bool{false, true} {
		if short, long := worker(a, backward), worker(long, backward); long > 2*short {
			t.Errorf("backward %v: a worker needs %d words, for ten times the positions %d", backward, short, long)
		}
	}
}

func TestLogarithm(t *testing.T) {
	for x := float32(1); x < 1e6; x *= 1.0001 {
		want := math.Log(float64(x))
		if got := float64(logarithm(x)); !(math.Abs(got-want) <= 1.2e-7*max(want, 1)) {
			t.Fatalf("logarithm of %g: %g, want %g", x, got, want)
		}
	}
	if got := logarithm(float32(math.NaN())); got == got {
		t.Errorf("logarithm of NaN: %g", got)
	}
}
