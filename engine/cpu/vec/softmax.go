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

// Block makes e^(x-Top) of a block of scores x, in place or, if dst has memory, as
// bfloat16 in rows of whole panels; what the mask leaves out becomes zero. Block tells
// whether some Top has grown, so that one of Shrink is not 1.
func (s *Softmax) Block(x Grid, mask Mask, dst Halves) (grown bool) {
	a := &s.args
	a.set(x, mask, dst)
	a.top, a.total, a.shrink, a.shrunk = &s.Top[0], &s.Total[0], &s.Shrink[0], 0
	if run := use.softmax[dst.kind()]; run != nil {
		run(a)
	} else {
		a.byRows()
	}
	if mask.Causal && a.dst == nil {
		x.clearUnseen(mask.Seen)
	}
	return a.shrunk != 0
}

// Rescale multiplies the rows of x, sums over the blocks before, by Shrink.
func (s *Softmax) Rescale(x Grid) { s.multiply(x.X, x.RowStride, x.PanelStride, x) }

// Finish divides the rows of x by Total; the rows of dst are ldd apart. Shrink is lost.
func (s *Softmax) Finish(dst []float32, ldd int, x Grid) {
	for r, total := range s.Total[:x.Rows] {
		s.Shrink[r] = 1 / total
	}
	s.multiply(dst, ldd, panelWidth, x)
}

// multiply multiplies rows by Shrink.
func (s *Softmax) multiply(dst []float32, ldd, panel int, x Grid) {
	run := panelWidth
	if x.PanelStride == panelWidth {
		run = x.Cols
	}
	for c := 0; c < x.Cols; c += run {
		s.scale = scaleArgs{
			&dst[c/panelWidth*panel], ldd * 4, &x.X[c/panelWidth*x.PanelStride], x.RowStride * 4,
			x.Rows, min(run, x.Cols-c), &s.Shrink[0], 4,
		}
		s.scale.run()
	}
}

// SoftmaxGrads is the memory of one caller for the gradients of softmaxes of scores
// times Scale. Delta of a row is the sum of its probabilities times their gradients; if
// Whole says that blocks have all columns, Block finds it.
type SoftmaxGrads struct {
	Scale float32
	Delta []float32
	Whole bool

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

// Block makes the probabilities p = e^(Scale·x-lse) of a block of scores x in their
// place and, of their gradients, those of the scores, Scale·p·(grads-Delta); these as
// bfloat16, too, if dst has memory. What the mask leaves out becomes zero.
func (s *SoftmaxGrads) Block(x, grads Grid, mask Mask, lse []float32, dst Halves) {
	a := &s.args
	a.set(x, mask, dst)
	a.grads, a.lse, a.delta, a.own = &grads.X[0], &lse[0], &s.Delta[0], 0
	a.scale = s.Scale
	if s.Whole {
		a.own = 1
	}
	if run := use.softmaxGrads[dst.kind()]; run != nil {
		run(a)
	} else {
		a.byRows()
	}
	if mask.Causal {
		x.clearUnseen(mask.Seen)
		grads.clearUnseen(mask.Seen)
	}
}
