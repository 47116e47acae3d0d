package vec

import "unsafe"

// Grid is a matrix in panels of 32 columns, as products leave it: element (r, c)
// lies at c/32·Panel + r·Row + c%32.
type Grid struct {
	X          []float32
	Row, Panel int
}

// panelWidth is the number of columns of a panel.
const panelWidth = 32

// Halves is a matrix of bfloat16 in rows of whole panels: Distance words of two
// from one row to the next, and Low words from a row to the low parts of its
// numbers, if it has any.
type Halves struct {
	X             []float32
	Distance, Low int
}

// kind is 0 for none, 1 for high parts alone, 2 for both parts.
func (h Halves) kind() int { return min(len(h.X), 1) + min(h.Low, 1) }

// blockArgs describes a block of scores [rows, n] and where to put what is made of
// them as bfloat16, if anywhere. Row r sees the columns before seen + r·step alone.
// The assembly knows the offsets of the fields; distances are in bytes.
type blockArgs struct {
	x             *float32         // 0
	row, panel    int              // 8, 16
	rows, n       int              // 24, 32
	seen, step    int              // 40, 48
	dst           *float32         // 56
	distance, low int              // 64, 72
	_             [16 * 16]float32 // 80: hold, a vector for each of 16 rows
}

func (a *blockArgs) set(x Grid, rows, n, seen int, causal bool, dst Halves) {
	a.x, a.row, a.panel = &x.X[0], x.Row*4, x.Panel*4
	a.rows, a.n, a.seen, a.step = rows, n, seen, 0
	if causal {
		a.step = 1
	}
	a.dst, a.distance, a.low = unsafe.SliceData(dst.X), dst.Distance*4, dst.Low*4
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

// scaleArgs describes a multiplication of rows of n numbers, each by a factor of
// its own or all by one. The assembly knows the offsets of the fields; distances
// are in bytes.
type scaleArgs struct {
	dst     *float32 // 0
	ldd     int      // 8
	src     *float32 // 16
	lds     int      // 24
	rows, n int      // 32, 40
	factors *float32 // 48
	step    int      // 56: bytes from one factor to the next
}

func (a *scaleArgs) run() {
	if use.scaleRows != nil {
		use.scaleRows(a)
	} else {
		a.byRows()
	}
}

// Scaling is the memory of one caller of ScaleRows.
type Scaling struct {
	args   scaleArgs
	factor float32
}

// Rows multiplies rows of n numbers by a factor; ldd and lds are the distances of
// rows.
func (s *Scaling) Rows(dst []float32, ldd int, src []float32, lds, rows, n int, factor float32) {
	s.factor = factor
	s.args = scaleArgs{&dst[0], ldd * 4, &src[0], lds * 4, rows, n, &s.factor, 0}
	s.args.run()
}
