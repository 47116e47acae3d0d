package plans

// Order says where the weight of (tap, depth, column) lies in the raw operand: taps
// are one number apart.
type Order struct {
	Cols, Depth, Taps      int
	StrideCol, StrideDepth int
	Gated                  bool // half of the columns are values, half their gates: see geglu.go
}

func (c Conv) Weights() Order {
	taps := c.KH * c.KW
	return Order{Cols: c.O, Depth: c.C, Taps: taps, StrideCol: c.C * taps, StrideDepth: taps}
}

// WeightsBackward are the same weights as the gradient to the picture sees them.
func (c Conv) WeightsBackward() Order {
	w := c.Weights()
	w.Cols, w.Depth = c.C, c.O
	w.StrideCol, w.StrideDepth = w.StrideDepth, w.StrideCol
	return w
}

// Size is the number of all weights.
func (w Order) Size() int { return w.Cols * w.Depth * w.Taps }

// Results is the number of columns that are stored.
func (w Order) Results() int {
	if w.Gated {
		return w.Cols / 2
	}
	return w.Cols
}

// Halves is the number of packed panels for a panel of results.
func (w Order) Halves() int {
	if w.Gated {
		return 2
	}
	return 1
}

// Also says in a plan's algorithm what the product does besides.
func (w Order) Also() string {
	if w.Gated {
		return " GEGLU"
	}
	return ""
}

// Panels is the number of packed panels of so many columns.
func (w Order) Panels(cols int) int { return w.Halves() * CeilDiv(w.Results(), cols) }

// Columns are the first column and the number of columns of a packed panel: panels of
// values and of their gates take turns.
func (w Order) Columns(panel, cols int) (first, n int) {
	half, turns := w.Results(), w.Halves()
	first = panel / turns * cols
	return first + panel%turns*half, min(cols, half-first)
}

// apart tells whether the weights of a column lie side by side, one column behind the
// other.
func (w Order) apart() bool { return w.StrideCol >= w.Depth*w.StrideDepth }

// Runs are the neighbouring numbers of raw in which n columns of count channels lie, from
// channel from on: where the first run begins, their distance, number and length.
func (w Order) Runs(n, from, count int) (first, distance, runs, length int) {
	if w.apart() {
		return from * w.StrideDepth, w.StrideCol, n, count * w.StrideDepth
	}
	return from * w.StrideDepth, w.StrideDepth, count, n * w.StrideCol
}
