package vec

import (
	"math"
	"unsafe"
)

// Grid is a matrix in panels of 32 columns, as products leave it: element (r, c)
// lies at c/32·Panel + r·Row + c%32.
type Grid struct {
	X          []float32
	Row, Panel int
}

// clearUnseen makes zero what rows do not see of which the first sees seen
// columns of n, and every next row one more.
func (g *Grid) clearUnseen(rows, n, seen int) {
	for r := range rows {
		for c := min(max(seen+r, 0), n); c < n; {
			end := min(c/panelWidth*panelWidth+panelWidth, n)
			clear(g.X[c/panelWidth*g.Panel+r*g.Row+c%panelWidth:][:end-c])
			c = end
		}
	}
}

// panelWidth is the number of columns of a panel.
const panelWidth = 32

// Halves is a matrix of bfloat16: Distance words of two from one row to the
// next, and Low words from a row to the low parts of its numbers, if it has any.
type Halves struct {
	X             []float32
	Distance, Low int
}

// kind is 0 for none, 1 for high parts alone, 2 for both parts.
func (h Halves) kind() int { return min(len(h.X), 1) + min(h.Low, 1) }

// Softmax is the memory of one caller for softmaxes of rows of which one block of
// columns after the other is known. Top and Total of a row are its largest score
// and the sum of its exponentials so far; Shrink is what the last block
// multiplied the exponentials before by.
type Softmax struct {
	Top, Total, Shrink []float32

	args  softmaxArgs
	scale scaleArgs
}

// softmaxArgs describes the exponentials of a block of scores [rows, n]. Row r
// sees the columns before seen + r·step alone; others are made zero. The
// assembly knows the offsets of the fields, and takes its lengths in bytes.
type softmaxArgs struct {
	x                  *float32         // 0
	row, panel         int              // 8, 16
	rows, n            int              // 24, 32
	seen, step         int              // 40, 48
	top, total, shrink *float32         // 56, 64, 72: of each row
	shrunk             int              // 80: set if one of shrink is not 1
	dst                *float32         // 88
	distance, low      int              // 96, 104
	_                  [16 * 16]float32 // 112: hold, memory of the kernels
}

// Begin begins the softmax of so many rows.
func (s *Softmax) Begin(rows int) {
	for r := range rows {
		s.Top[r], s.Total[r] = float32(math.Inf(-1)), 0
	}
}

// Block makes e^(x-Top) of a block of scores x [rows, n], in place or, if dst has
// memory, as bfloat16 in rows of whole panels. Row 0 sees seen columns and, if
// causal, every next row one more; what a row does not see becomes zero. Block
// tells whether some Top has grown, so that one of Shrink is not 1.
func (s *Softmax) Block(x Grid, rows, n, seen int, causal bool, dst Halves) (grown bool) {
	a := &s.args
	a.x, a.row, a.panel = &x.X[0], x.Row*4, x.Panel*4
	a.rows, a.n, a.seen, a.step = rows, n, seen, 0
	if causal {
		a.step = 1
	}
	a.top, a.total, a.shrink, a.shrunk = &s.Top[0], &s.Total[0], &s.Shrink[0], 0
	a.dst, a.distance, a.low = unsafe.SliceData(dst.X), dst.Distance*4, dst.Low*4
	if run := use.softmax[dst.kind()]; run != nil {
		run(a)
	} else {
		a.byRows()
	}
	if causal && a.dst == nil {
		x.clearUnseen(rows, n, seen)
	}
	return a.shrunk != 0
}

// scaleArgs describes a multiplication of rows of n numbers, each by a factor of
// its own. The assembly knows the offsets of the fields; distances are in bytes.
type scaleArgs struct {
	dst     *float32 // 0
	ldd     int      // 8
	src     *float32 // 16
	lds     int      // 24
	rows, n int      // 32, 40
	factors *float32 // 48
}

// Rescale multiplies the rows of x [rows, n], sums over the blocks before, by Shrink.
func (s *Softmax) Rescale(x Grid, rows, n int) { s.multiply(x.X, x.Row, x.Panel, x, rows, n) }

// Finish divides the rows of x [rows, n] by Total; the rows of dst are ldd apart.
// Shrink is lost.
func (s *Softmax) Finish(dst []float32, ldd int, x Grid, rows, n int) {
	for r, total := range s.Total[:rows] {
		s.Shrink[r] = 1 / total
	}
	s.multiply(dst, ldd, panelWidth, x, rows, n)
}

// multiply multiplies rows by Shrink.
func (s *Softmax) multiply(dst []float32, ldd, panel int, x Grid, rows, n int) {
	run := panelWidth
	if x.Panel == panelWidth {
		run = n
	}
	for c := 0; c < n; c += run {
		s.scale = scaleArgs{&dst[c/panelWidth*panel], ldd * 4, &x.X[c/panelWidth*x.Panel], x.Row * 4, rows, min(run, n-c), &s.Shrink[0]}
		if use.scaleRows != nil {
			use.scaleRows(&s.scale)
		} else {
			s.scale.byRows()
		}
	}
}
