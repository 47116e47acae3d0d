package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// normRowsPortable rounds what vec makes of each row.
func normRowsPortable(a *rowsArgs) {
	one := rowsArgs{ldd: a.ldd, n: a.n, count: 1, low: a.low}
	y := make([]float32, a.n)
	for i := range a.count {
		a.normaliseRow(y, unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.src), i*a.lds)), a.n))
		one.dst, one.src = unsafe.Add(a.dst, i*a.ldd), &y[0]
		rowsPortable(&one)
	}
}

func (a *rowsArgs) normaliseRow(y, x []float32) {
	var norm vec.Rows
	coef, beta, mean := unsafe.Slice(a.a, a.n), unsafe.Slice(a.beta, a.n), unsafe.Slice(a.mean, a.n)
	if a.silu != 0 {
		norm.AffineSiLU(y, x, coef, beta, mean)
	} else {
		norm.Affine(y, x, coef, beta, mean)
	}
}
