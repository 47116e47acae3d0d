// Package plans has what all algorithms for products share: a convolution or a matrix
// product and its operands, the plan that computes it, where the weights lie and how they
// are packed, and the two ways to find pixels: by addresses (source.go) and on a grid
// where every tap is a constant shift (grid.go).
package plans

import (
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/tensor"
)

// Precision of the products; sums are float32 in both.
type Precision int

// F32 multiplies float32 numbers, by Winograd's algorithm, split products or both where
// that is faster; the results then differ from exact ones by up to 1.2e-5 of the
// largest (split sums of few terms 2e-5), those of direct sums by 2e-6. BF16 rounds both
// operands to bfloat16 where the processor multiplies those and the sums are long
// enough, and is F32 elsewhere. Exact is float32 by direct sums alone.
const (
	F32 Precision = iota
	BF16
	Exact
)

// Args are the operands a plan is bound to.
type Args struct {
	X, W, Y []float32 // W is packed if the plan's PackedLen > 0
	Bias    []float32 // one for every column or channel of Y; may be nil
	Add     []float32 // of Y's shape, added at the end; may be nil, may be Y
	Norm    Norm      // of X, where the plan has one
	Scratch []float32 // at least ScratchLen, and HalfLen with Half
	XHalf   []uint16  // in place of X, bfloat16, where the plan has HalfX
	YHalf   []uint16  // in place of Y, bfloat16, where it has HalfY
	Half    []uint16  // in place of W, packed numbers of Format, if the plan's HalfLen > 0
	Format  tensor.Format
}

// Plan is a product or convolution compiled for its shapes.
type Plan struct {
	Algorithm  string
	PackedLen  int // float32 words of the packed weights; 0: used as they are
	ScratchLen int // float32 words
	Flops      int64
	HalfLen    int // more scratch memory where the packed weights have 16 bits; 0: they may not

	Also    string // what Algorithm says behind the table's name
	Packing Packing
	Phases  func(Args) []par.Phase
	Over    func(*Args) []par.Phase // the same for operands that may change, of tiles alone
}

// Bind returns the phases that compute the plan on these operands. Running
// them does not allocate.
func (p *Plan) Bind(a Args) []par.Phase { return p.Phases(a) }

// MatMul is Y[M,N] = op(A)·op(B), row-major; A is [M,K], or [K,M] with TransA;
// B, the operand that is packed, is [K,N], or [N,K] with TransB. With GEGLU, Y is
// [M,N/2]: the first half of the columns times GELU of the second. With Normed, A is
// normalised on the way: see Norm. HalfX and, with GEGLU, HalfY say that A and Y are
// bfloat16 in memory, if TakesHalf.
type MatMul struct {
	M, N, K        int
	TransA, TransB bool
	GEGLU          bool
	Normed         bool
	HalfX, HalfY   bool
}

// TakesHalf tells whether A may be bfloat16 in memory: where it would be rounded to
// that in any case. Y may be so too, then.
func (s MatMul) TakesHalf(prec Precision) bool {
	use, split := UseTiles(prec.ForDepth(1, s.K, false), isa.Current())
	return use && !split && !s.TransA && !s.Normed
}

// Conv is a convolution of x [N,H,W,C] with w [O,C,KH,KW] to y [N,OH,OW,O]. With
// Up > 1, forward alone, x is [N,H/Up,W/Up,C] and every pixel stands for a
// square of Up x Up. With Normed, in its place, x is normalised on the way: see Norm.
type Conv struct {
	N, H, W, C, O, KH, KW, Stride        int
	PadTop, PadBottom, PadLeft, PadRight int
	Up                                   int
	Normed                               bool
	// Training says that pictures come in large batches, so that what is done
	// once for all of them counts less.
	Training bool
	// Fresh says that the weights are others in every run. Where each of them is met in
	// one place, it is then packed there, and they are used as they are.
	Fresh bool
}

// Factor is Up, at least 1.
func (c Conv) Factor() int { return max(c.Up, 1) }

// OutSize is the height and width of the result.
func (c Conv) OutSize() (oh, ow int) {
	return (c.H+c.PadTop+c.PadBottom-c.KH)/c.Stride + 1, (c.W+c.PadLeft+c.PadRight-c.KW)/c.Stride + 1
}

func (c Conv) Flops() int64 {
	oh, ow := c.OutSize()
	return 2 * int64(c.N) * int64(oh) * int64(ow) * int64(c.O) * int64(c.C) * int64(c.KH) * int64(c.KW)
}

// Pointwise tells whether a convolution is a product of pixels and weights alone.
func (c Conv) Pointwise() bool {
	pads := [4]int{c.PadTop, c.PadBottom, c.PadLeft, c.PadRight}
	return c.KH == 1 && c.KW == 1 && c.Stride == 1 && c.Factor() == 1 && pads == [4]int{}
}

// Layout says where the gradient of (row, column, tap) goes.
type Layout struct{ Row, Col, Tap int }

func CeilDiv(a, b int) int { return (a + b - 1) / b }

func RoundUp(a, b int) int { return CeilDiv(a, b) * b }

// LowMask has the low n bits set.
func LowMask(n int) uint32 { return uint32(1<<uint(n) - 1) }
