package tiled

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
)

// BeforeOf says in a plan's algorithm what is done to the picture before.
func BeforeOf(normed bool) string {
	if normed {
		return ", group norm"
	}
	return ""
}

// layOutNormed normalises and lays out n pixels of one row of a picture, or rows of a
// matrix, which may be those of several pictures.
func (p *tilesPlan) layOutNormed(w *kernels.RowsArgs, a *plans.Args, dst []uint16, pixel, n int) {
	norm := &a.Norm
	for n > 0 {
		picture, row := pixel/norm.Rows, pixel%norm.Rows
		count := min(n, plans.CeilDiv(norm.Rows-row, p.Stride))
		norm.Into(w, picture, 0, p.Depth)
		p.lay(w, a.X[pixel*p.Depth:], dst, count)
		pixel, n = pixel+count*p.Stride, n-count
		dst = dst[count*p.pitch:]
	}
}
