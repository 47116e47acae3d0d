package gemm

import "github.com/ldm-go/ldm/engine/cpu/isa"

var (
	smallLevel  = isa.Current()
	smallKernel = kernelFor(smallLevel)
)

// SmallScratch is the scratch, in float32 words, that Small needs for a product.
func SmallScratch(m, n, k int) int {
	return roundUp(n, maxCols)*k + m*k + maxRows + maxRows*maxCols*2
}

// Small computes c[m,n] (+)= alpha·op(a)·op(b) on the caller's thread, for the
// products inside an attention. lda, ldb and ldc are the distances of rows; op
// transposes where asked. It does not allocate.
func Small(transA, transB bool, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, accumulate bool, c []float32, ldc int, scratch []float32) {
	kn := &smallKernel
	panels := ceilDiv(n, kn.cols)
	packed := scratch[:panels*k*kn.cols]
	left := scratch[len(packed):][:m*k+maxRows]
	partial := scratch[len(packed)+len(left):][:maxRows*maxCols]
	zero := scratch[len(packed)+len(left)+len(partial):][:maxCols]
	clear(zero)
	packSmall(packed, transB, n, k, kn.cols, alpha, b, ldb)
	if transA {
		for i := range k {
			for j, v := range a[i*lda:][:m] {
				left[j*k+i] = v
			}
		}
		a, lda = left, k
	}
	var table [maxRows]uintptr
	for row := 0; row < m; row += kn.rows {
		valid := min(kn.rows, m-row)
		for r := range kn.rows {
			table[r] = addressOf(a[(row+min(r, valid-1))*lda:])
		}
		for panel := range panels {
			cols := min(kn.cols, n-panel*kn.cols)
			args := dotArgs{
				table: &table[0], taps: 1, depth: k, b: &packed[panel*k*kn.cols], bias: &zero[0],
				y: addressOf(c[row*ldc+panel*kn.cols:]), stride: ldc * 4, valid: valid,
				mask: lowMask(cols), partial: &partial[0],
			}
			if accumulate {
				args.add = args.y
			}
			callDot(smallLevel, &args)
			if kn.name == "avx2" && cols != kn.cols {
				storePartial(&args, kn.cols)
			}
		}
	}
}

// packSmall brings alpha·op(b) into panels [panel][k][cols].
func packSmall(packed []float32, transB bool, n, k, cols int, alpha float32, b []float32, ldb int) {
	for first := 0; first < n; first += cols {
		panel := packed[first*k:][:k*cols]
		count := min(cols, n-first)
		if count < cols {
			clear(panel)
		}
		for i := range k {
			row := panel[i*cols:][:count]
			if transB {
				for j := range row {
					row[j] = alpha * b[(first+j)*ldb+i]
				}
				continue
			}
			for j, v := range b[i*ldb+first:][:count] {
				row[j] = alpha * v
			}
		}
	}
}
