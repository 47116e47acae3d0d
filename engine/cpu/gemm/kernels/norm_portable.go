package kernels

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// NormRowsPortable rounds what vec makes of each row.
func NormRowsPortable(a *RowsArgs) {
	one := RowsArgs{Ldd: a.Ldd, N: a.N, Count: 1, Low: a.Low}
	y := make([]float32, a.N)
	for i := range a.Count {
		a.normaliseRow(y, unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.Src), i*a.Lds)), a.N))
		one.Dst, one.Src = unsafe.Add(a.Dst, i*a.Ldd), &y[0]
		RowsPortable(&one)
	}
}

func (a *RowsArgs) normaliseRow(y, x []float32) {
	var norm vec.Rows
	coef, beta, mean := unsafe.Slice(a.A, a.N), unsafe.Slice(a.Beta, a.N), unsafe.Slice(a.Mean, a.N)
	if a.Silu != 0 {
		norm.AffineSiLU(y, x, coef, beta, mean)
	} else {
		norm.Affine(y, x, coef, beta, mean)
	}
}
