package gemm

// weights says where the weight of (tap, depth, column) lies in the raw operand: taps
// are one number apart.
type weights struct {
	cols, depth, taps      int
	strideCol, strideDepth int
	gated                  bool // half of the columns are values, half their gates: see geglu.go
}

func (c Conv) weights() weights {
	taps := c.KH * c.KW
	return weights{cols: c.O, depth: c.C, taps: taps, strideCol: c.C * taps, strideDepth: taps}
}

// weightsBackward are the same weights as the gradient to the picture sees them.
func (c Conv) weightsBackward() weights {
	w := c.weights()
	w.cols, w.depth = c.C, c.O
	w.strideCol, w.strideDepth = w.strideDepth, w.strideCol
	return w
}

// size is the number of all weights.
func (w weights) size() int { return w.cols * w.depth * w.taps }

// results is the number of columns that are stored.
func (w weights) results() int {
	if w.gated {
		return w.cols / 2
	}
	return w.cols
}

// halves is the number of packed panels for a panel of results.
func (w weights) halves() int {
	if w.gated {
		return 2
	}
	return 1
}

// also says in a plan's algorithm what the product does besides.
func (w weights) also() string {
	if w.gated {
		return " GEGLU"
	}
	return ""
}

// panels is the number of packed panels of so many columns.
func (w weights) panels(cols int) int { return w.halves() * ceilDiv(w.results(), cols) }

// columns are the first column and the number of columns of a packed panel: panels of
// values and of their gates take turns.
func (w weights) columns(panel, cols int) (first, n int) {
	half, turns := w.results(), w.halves()
	first = panel / turns * cols
	return first + panel%turns*half, min(cols, half-first)
}

// apart tells whether every column's weights lie in a piece of their own, one column
// behind the other.
func (w weights) apart() bool { return w.strideCol >= w.depth*w.strideDepth }

// pieces are the stretches of raw in which n columns of count channels lie, from
// channel from on: where the first begins, their distance, number and length.
func (w weights) pieces(n, from, count int) (first, distance, pieces, length int) {
	if w.apart() {
		return from * w.strideDepth, w.strideCol, n, count * w.strideDepth
	}
	return from * w.strideDepth, w.strideDepth, count, n * w.strideCol
}
