package vec

import "math"

// Softmax is the memory of one caller for softmaxes of rows of which one block of
// columns after the other is known. Top and Total of a row are its largest score
// and the sum of its exponentials so far; Shrink is what the last block
// multiplied the exponentials before by.
type Softmax struct {
	Top, Total, Shrink []float32

	args  softmaxArgs
	scale scaleArgs
}

// softmaxArgs describes the softmax of a block. The assembly knows the offsets of
// the fields.
type softmaxArgs struct {
	blockArgs
	top, total, shrink *float32 // 1104, 1112, 1120: of each row
	shrunk             int      // 1128: set if one of shrink is not 1
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
	a.set(x, rows, n, seen, causal, dst)
	a.top, a.total, a.shrink, a.shrunk = &s.Top[0], &s.Total[0], &s.Shrink[0], 0
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
		s.scale = scaleArgs{&dst[c/panelWidth*panel], ldd * 4, &x.X[c/panelWidth*x.Panel], x.Row * 4, rows, min(run, n-c), &s.Shrink[0], 4}
		s.scale.run()
	}
}

// SoftmaxGrads is the memory of one caller for the gradients of softmaxes of scores
// times Scale. Delta of a row is the sum of its probabilities times their gradients.
type SoftmaxGrads struct {
	Scale float32
	Delta []float32

	args gradArgs
}

// gradArgs describes the gradients of a block of scores. The assembly knows the
// offsets of the fields.
type gradArgs struct {
	blockArgs
	grads, lse, delta *float32 // 1104, 1112, 1120: lse and delta of each row
	own               int      // 1128: find delta
	scale             float32  // 1136
}

// Block makes the probabilities p = e^(Scale·x-lse) of a block of scores x [rows, n]
// in their place and, of their gradients, those of the scores, Scale·p·(grads-Delta);
// these as bfloat16, too, if dst has memory. whole says that the block has all columns:
// it then finds Delta. For what rows see, see Softmax.Block.
func (s *SoftmaxGrads) Block(x, grads Grid, rows, n, seen int, causal, whole bool, lse []float32, dst Halves) {
	a := &s.args
	a.set(x, rows, n, seen, causal, dst)
	a.grads, a.lse, a.delta, a.own = &grads.X[0], &lse[0], &s.Delta[0], 0
	a.scale = s.Scale
	if whole {
		a.own = 1
	}
	if run := use.softmaxGrads[dst.kind()]; run != nil {
		run(a)
	} else {
		a.byRows()
	}
	if causal {
		x.clearUnseen(rows, n, seen)
		grads.clearUnseen(rows, n, seen)
	}
}
