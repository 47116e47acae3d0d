package vec

import "unsafe"

// Matrix is a matrix [Rows, Cols] whose rows are Stride numbers apart.
type Matrix struct {
	X                  []float32
	Rows, Cols, Stride int
}

// From are the rows of m from one on, so many at most.
func (m Matrix) From(row, most int) Matrix {
	m.X, m.Rows = m.X[row*m.Stride:], min(most, m.Rows-row)
	return m
}

// Grid is a matrix [Rows, Cols] in panels of 32 columns, as products leave it: element
// (r, c) lies at c/32·PanelStride + r·RowStride + c%32.
type Grid struct {
	X                      []float32
	RowStride, PanelStride int
	Rows, Cols             int
}

// Of is the beginning of a grid: its first rows and columns.
func (g Grid) Of(rows, cols int) Grid {
	g.Rows, g.Cols = rows, cols
	return g
}

// Mask says which scores of a block count: in its first row those of the first Seen
// columns and, if Causal, in every next row one more.
type Mask struct {
	Seen   int
	Causal bool
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

func (a *blockArgs) set(x Grid, mask Mask, dst Halves) {
	a.x, a.row, a.panel = &x.X[0], x.RowStride*4, x.PanelStride*4
	a.rows, a.n, a.seen, a.step = x.Rows, x.Cols, mask.Seen, 0
	if mask.Causal {
		a.step = 1
	}
	a.dst, a.distance, a.low = unsafe.SliceData(dst.X), dst.Distance*4, dst.Low*4
}

// clearUnseen makes zero what a causal mask leaves out.
func (g *Grid) clearUnseen(seen int) {
	for r := range g.Rows {
		for c := min(max(seen+r, 0), g.Cols); c < g.Cols; {
			end := min(c/panelWidth*panelWidth+panelWidth, g.Cols)
			clear(g.X[c/panelWidth*g.PanelStride+r*g.RowStride+c%panelWidth:][:end-c])
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

// Scaling is the memory of one caller of Rows.
type Scaling struct {
	args   scaleArgs
	factor float32
}

// Rows writes factor·src to dst, whose rows are ldd apart.
func (s *Scaling) Rows(dst []float32, ldd int, src Matrix, factor float32) {
	s.factor = factor
	s.args = scaleArgs{&dst[0], ldd * 4, &src.X[0], src.Stride * 4, src.Rows, src.Cols, &s.factor, 0}
	s.args.run()
}
