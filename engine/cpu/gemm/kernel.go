package gemm

import "unsafe"

// A kernel computes tiles of rows x cols results in one instruction set.
type kernel struct {
	name       string
	rows, cols int
	dot        func(*dotArgs)
	outer      func(*outerArgs)
	panel      func(*panelArgs) // none where the tile is wide enough to hide its cost
	winograd   *winogradKernel  // none where direct sums are as fast
}

// Largest tile of any kernel.
const (
	maxRows = 12
	maxCols = 32
)

// dotArgs describes one tile of an indirect product: for rows r and columns c,
//
//	y[r][c] = bias[c] + Σ_tap Σ_k x[tap][r][k] · b[tap][k][c]  (+ add[r][c])
//
// where every row x[tap][r] has its own address, so that a convolution needs
// no im2col. The assembly knows the offsets of the fields.
type dotArgs struct {
	table   *uintptr // 0: [taps][rows] addresses of x
	taps    int      // 8
	depth   int      // 16: numbers in a row of x
	b       *float32 // 24: [taps][depth][cols]
	bias    *float32 // 32: [cols]
	y       uintptr  // 40: address of the result's first row
	stride  int      // 48: bytes between rows of y and of add
	add     uintptr  // 56: address of the first row to be added, or 0
	valid   int      // 64: rows to be stored
	mask    uint32   // 72: columns to be stored, one bit each
	partial *float32 // 80: [rows][cols], filled in place of y by kernels without masked stores if mask is not full
}

// segment is a run of points of an outer product, one stride apart.
type segment struct {
	x, d  uintptr
	count int
}

// outerArgs describes one tile of a sum of outer products: for rows r, columns c,
//
//	y[r][c] += Σ_segment Σ_p x[p][r] · d[p][c]
type outerArgs struct {
	segments         *segment   // 0
	count            int        // 8
	strideX, strideD int        // 16, 24: bytes from one point to the next
	y                *float32   // 32: tile [rows][cols]
	mask             uint32     // 40: columns of d that exist, one bit each
	masks            *[16]int32 // 48: the same as lanes, for AVX2
}

// panelArgs describes the copy of some columns of the rows d of segments to one
// place, [points][cols], zero where there is no column: rows a power of two apart
// would push each other out of the first-level cache, which a kernel of narrow
// tiles feels. The segments then have their d there.
type panelArgs struct {
	dst      *float32   // 0
	segments *segment   // 8
	count    int        // 16
	stride   int        // 24: bytes from one row to the next
	mask     uint32     // 32: columns that exist, one bit each
	masks    *[16]int32 // 40: the same as lanes, for AVX2
}

func addressOf(x []float32) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(x))) }

// floatsAt views n floats at an address taken from a slice that is still alive.
func floatsAt(p uintptr, n int) []float32 {
	return unsafe.Slice((*float32)(*(*unsafe.Pointer)(unsafe.Pointer(&p))), n)
}

// portable is the reference for the others: plain Go, the same order of sums.
var portable = kernel{"portable", 4, 16, dotPortable, outerPortable, panelPortable, nil}

func dotPortable(a *dotArgs) {
	const rows, cols = 4, 16
	table := unsafe.Slice(a.table, a.taps*rows)
	b := unsafe.Slice(a.b, a.taps*a.depth*cols)
	bias := unsafe.Slice(a.bias, cols)
	for r := range a.valid {
		var acc [cols]float32
		copy(acc[:], bias)
		for tap := range a.taps {
			x := floatsAt(table[tap*rows+r], a.depth)
			w := b[tap*a.depth*cols:]
			for k, v := range x {
				row := (*[cols]float32)(w[k*cols:])
				for c := range acc {
					acc[c] += v * row[c]
				}
			}
		}
		n := columns(a.mask)
		if a.add != 0 {
			for c, v := range floatsAt(a.add+uintptr(r*a.stride), n) {
				acc[c] += v
			}
		}
		copy(floatsAt(a.y+uintptr(r*a.stride), n), acc[:n])
	}
}

func outerPortable(a *outerArgs) {
	const rows, cols = 4, 16
	y := unsafe.Slice(a.y, rows*cols)
	n := columns(a.mask)
	var acc [rows * cols]float32
	for _, s := range unsafe.Slice(a.segments, a.count) {
		for p := range s.count {
			x := floatsAt(s.x+uintptr(p*a.strideX), rows)
			d := floatsAt(s.d+uintptr(p*a.strideD), n)
			for r, v := range x {
				row := acc[r*cols:][:cols]
				for c, w := range d {
					row[c] += v * w
				}
			}
		}
	}
	for i, v := range acc {
		y[i] += v
	}
}

func panelPortable(a *panelArgs) {
	const cols = 16
	n := columns(a.mask)
	dst := uintptr(unsafe.Pointer(a.dst))
	for i, s := range unsafe.Slice(a.segments, a.count) {
		unsafe.Slice(a.segments, a.count)[i].d = dst
		for p := range s.count {
			row := floatsAt(dst, cols)
			clear(row[copy(row, floatsAt(s.d+uintptr(p*a.stride), n)):])
			dst += cols * 4
		}
	}
}

// columns is the number of columns of a mask of the low bits.
func columns(mask uint32) int {
	n := 0
	for ; mask != 0; mask >>= 1 {
		n++
	}
	return n
}
