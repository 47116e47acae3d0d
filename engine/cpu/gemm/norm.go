package gemm

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
)

// beforeOf says in a plan's algorithm what is done to the picture before.
func beforeOf(normed bool) string {
	if normed {
		return ", group norm"
	}
	return ""
}

// layOutNormed normalises and lays out n pixels of one row of a picture, or rows of a
// matrix, which may be those of several pictures.
func (p *tilesPlan) layOutNormed(w *kernels.RowsArgs, a *Args, dst []uint16, pixel, n int) {
	norm := &a.Norm
	for n > 0 {
		picture, row := pixel/norm.Rows, pixel%norm.Rows
		count := min(n, ceilDiv(norm.Rows-row, p.stride))
		norm.into(w, picture, 0, p.depth)
		p.lay(w, a.X[pixel*p.depth:], dst, count)
		pixel, n = pixel+count*p.stride, n-count
		dst = dst[count*p.pitch:]
	}
}

// into sets the normalisation of a picture's channels from one on.
func (n *Norm) into(w *kernels.RowsArgs, picture, from, channels int) {
	coef := n.Coef[picture*2*channels:]
	w.A, w.Mean, w.Beta = &coef[from], &coef[channels+from], &n.Beta[from]
	if n.SiLU {
		w.Silu = 1
	}
}
