package plans

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/isa"
)

// current is the level that weights are packed by.
var current = isa.Current()

// eights tells whether there are kernels that transpose 8x8 numbers.
var eights = current.Has(isa.AVX2) || current.Has(isa.NEON)

// Transpose writes the transpose of src [rows, cols] to dst [cols, rows]; ldd
// and lds are the distances of rows.
func Transpose(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	const block = 16
	for i := 0; i < rows; i += block {
		for j := 0; j < cols; j += block {
			if i+block <= rows && j+block <= cols && current.Has(isa.AVX512) {
				kernels.TransposeBlock(dst[j*ldd+i:], ldd, src[i*lds+j:], lds)
				continue
			}
			transposeRest(dst[j*ldd+i:], ldd, src[i*lds+j:], lds, min(block, rows-i), min(block, cols-j))
		}
	}
}

// transposeRest is Transpose for less than a block.
func transposeRest(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	for i := 0; i < rows; i += 8 {
		for j := 0; j < cols; j += 8 {
			if i+8 <= rows && j+8 <= cols && eights {
				kernels.TransposeEight(dst[j*ldd+i:], ldd, src[i*lds+j:], lds)
				continue
			}
			for r := i; r < min(i+8, rows); r++ {
				for c, v := range src[r*lds+j:][:min(8, cols-j)] {
					dst[(j+c)*ldd+r] = v
				}
			}
		}
	}
}
