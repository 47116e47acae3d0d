package plans

import "github.com/ldm-go/ldm/engine/cpu/gemm/kernels"

// Norm is a normalisation of the rows of X on their way into bfloat16,
//
//	(x-mean)·a + beta, then SiLU if asked for,
//
// so that the normalised picture, often larger than the caches, is neither written
// nor read. Rows that neighbouring blocks share are normalised for each of them.
type Norm struct {
	Coef []float32 // [pictures][2][depth]: a, then mean
	Beta []float32 // [depth]
	Rows int       // of a picture
	SiLU bool
}

// Into sets the normalisation of a picture's channels from one on.
func (n *Norm) Into(w *kernels.RowsArgs, picture, from, channels int) {
	coef := n.Coef[picture*2*channels:]
	w.A, w.Mean, w.Beta = &coef[from], &coef[channels+from], &n.Beta[from]
	if n.SiLU {
		w.Silu = 1
	}
}
