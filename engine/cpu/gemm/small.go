package gemm

import "github.com/ldm-go/ldm/engine/cpu/isa"

var (
	smallLevel  = isa.Current()
	smallKernel = kernelFor(smallLevel)
)

// SmallPanels is the length of the packed right operand [k, n] of a small product.
func SmallPanels(n, k int) int { return roundUp(n, smallKernel.cols) * k }

// PackSmall packs alpha·op(b), [k, n], for MulSmall; ldb is the distance of b's
// rows, and op transposes where asked.
func PackSmall(packed []float32, transB bool, n, k int, alpha float32, b []float32, ldb int) {
	cols := smallKernel.cols
	for first := 0; first < n; first += cols {
		panel := packed[first*k:][:k*cols]
		count := min(cols, n-first)
		if count < cols {
			clear(panel)
		}
		if transB {
			Transpose(panel, cols, b[first*ldb:], ldb, count, k)
			if alpha != 1 {
				for i := range panel {
					panel[i] *= alpha
				}
			}
			continue
		}
		for i := range k {
			row := panel[i*cols:][:count]
			for j, v := range b[i*ldb+first:][:count] {
				row[j] = alpha * v
			}
		}
	}
}

// MulSmall computes c[m,n] (+)= a[m,k]·packed on the caller's thread, for the
// products inside an attention; lda and ldc are the distances of rows. It does
// not allocate.
func MulSmall(m, n, k int, a []float32, lda int, packed []float32, accumulate bool, c []float32, ldc int) {
	kn := &smallKernel
	var table [maxRows]uintptr
	var zero [maxCols]float32
	var partial [maxRows * maxCols]float32
	for row := 0; row < m; row += kn.rows {
		valid := min(kn.rows, m-row)
		for r := range kn.rows {
			table[r] = addressOf(a[(row+min(r, valid-1))*lda:])
		}
		for first := 0; first < n; first += kn.cols {
			cols := min(kn.cols, n-first)
			args := dotArgs{
				table: &table[0], taps: 1, depth: k, b: &packed[first*k], bias: &zero[0],
				y: addressOf(c[row*ldc+first:]), stride: ldc * 4, valid: valid,
				mask: lowMask(cols), partial: &partial[0],
			}
			if accumulate {
				args.add = args.y
			}
			callDot(smallLevel, &args)
			if smallLevel == isa.AVX2 && cols != kn.cols {
				storePartial(&args, kn.cols)
			}
		}
	}
}

// Transpose writes the transpose of src [rows, cols] to dst [cols, rows]; ldd
// and lds are the distances of rows.
func Transpose(dst []float32, ldd int, src []float32, lds, rows, cols int) {
	for i := 0; i < rows; i += 16 {
		for j := 0; j < cols; j += 16 {
			if i+16 <= rows && j+16 <= cols && smallLevel >= isa.AVX512 {
				transposeBlock(dst[j*ldd+i:], ldd, src[i*lds+j:], lds)
				continue
			}
			for r := i; r < min(i+16, rows); r++ {
				for c, v := range src[r*lds+j:][:min(16, cols-j)] {
					dst[(j+c)*ldd+r] = v
				}
			}
		}
	}
}
