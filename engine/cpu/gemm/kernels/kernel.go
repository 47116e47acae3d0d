package kernels

import "unsafe"

// A kernel computes tiles of rows x cols results in one instruction set.
type Kernel struct {
	Name       string
	Rows, Cols int
	Dot        func(*DotArgs)
	Outer      func(*OuterArgs)
	Panel      func(*PanelArgs) // none where the tile is wide enough to hide its cost
	Winograd   *winogradKernel  // of F(4x4,3x3); none where direct sums are as fast
	Winograd2  *winogradKernel  // of F(2x2,3x3)
}

// Largest tile of any kernel.
const (
	MaxRows = 12
	MaxCols = 32
)

// DotArgs describes one tile of an indirect product: for rows r and columns c,
//
//	y[r][c] = bias[c] + Σ_tap Σ_k x[tap][r][k] · b[tap][k][c]  (+ add[r][c])
//
// where every row x[tap][r] has its own address, so that a convolution needs
// no im2col. The assembly takes the offsets of the fields from go_asm.h.
type DotArgs struct {
	Table   *uintptr // 0: [taps][rows] addresses of x
	Taps    int      // 8
	Depth   int      // 16: numbers in a row of x
	B       *float32 // 24: [taps][depth][cols]
	Bias    *float32 // 32: [cols]
	Y       uintptr  // 40: address of the result's first row
	Stride  int      // 48: bytes between rows of y and of add
	Add     uintptr  // 56: address of the first row to be added, or 0
	Valid   int      // 64: rows to be stored
	Mask    uint32   // 72: columns to be stored, one bit each
	Partial *float32 // 80: [rows][cols], filled in place of y by kernels without masked stores if mask is not full
}

// Segment is a run of points of an outer product, one stride apart.
type Segment struct {
	X, D  uintptr
	Count int
}

// OuterArgs describes one tile of a sum of outer products: for rows r, columns c,
//
//	y[r][c] += Σ_segment Σ_p x[p][r] · d[p][c]
type OuterArgs struct {
	Segments         *Segment   // 0
	Count            int        // 8
	StrideX, StrideD int        // 16, 24: bytes from one point to the next
	Y                *float32   // 32: tile [rows][cols]
	Mask             uint32     // 40: columns of d that exist, one bit each; NEON reads whole vectors of four
	Masks            *[16]int32 // 48: the same as lanes, for AVX2
}

// PanelArgs describes the copy of some columns of the rows d of segments to one
// place, [points][cols], zero where there is no column: rows a power of two apart
// would push each other out of the first-level cache, which a kernel of narrow
// tiles feels. The segments then have their d there.
type PanelArgs struct {
	Dst      *float32   // 0
	Segments *Segment   // 8
	Count    int        // 16
	Stride   int        // 24: bytes from one row to the next
	Mask     uint32     // 32: columns that exist, one bit each
	Masks    *[16]int32 // 40: the same as lanes, for AVX2
}

func AddressOf(x []float32) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(x))) }

// FloatsAt views n floats at an address taken from a slice that is still alive.
func FloatsAt(p uintptr, n int) []float32 {
	return unsafe.Slice((*float32)(*(*unsafe.Pointer)(unsafe.Pointer(&p))), n)
}

// Portable is the reference for the others: plain Go, the same order of sums.
var Portable = Kernel{Name: "portable", Rows: 4, Cols: 16, Dot: dotPortable, Outer: outerPortable, Panel: panelPortable, Winograd2: &winograd2Portable}

func dotPortable(a *DotArgs) {
	const rows, cols = 4, 16
	table := unsafe.Slice(a.Table, a.Taps*rows)
	b := unsafe.Slice(a.B, a.Taps*a.Depth*cols)
	bias := unsafe.Slice(a.Bias, cols)
	for r := range a.Valid {
		var acc [cols]float32
		copy(acc[:], bias)
		for tap := range a.Taps {
			x := FloatsAt(table[tap*rows+r], a.Depth)
			w := b[tap*a.Depth*cols:]
			for k, v := range x {
				row := (*[cols]float32)(w[k*cols:])
				for c := range acc {
					acc[c] += v * row[c]
				}
			}
		}
		n := Columns(a.Mask)
		if a.Add != 0 {
			for c, v := range FloatsAt(a.Add+uintptr(r*a.Stride), n) {
				acc[c] += v
			}
		}
		copy(FloatsAt(a.Y+uintptr(r*a.Stride), n), acc[:n])
	}
}

func outerPortable(a *OuterArgs) {
	const rows, cols = 4, 16
	y := unsafe.Slice(a.Y, rows*cols)
	n := Columns(a.Mask)
	var acc [rows * cols]float32
	for _, s := range unsafe.Slice(a.Segments, a.Count) {
		for p := range s.Count {
			x := FloatsAt(s.X+uintptr(p*a.StrideX), rows)
			d := FloatsAt(s.D+uintptr(p*a.StrideD), n)
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

func panelPortable(a *PanelArgs) { panelOf(a, 16) }

// panelOf is for tiles of so many columns.
func panelOf(a *PanelArgs, cols int) {
	n := Columns(a.Mask)
	dst := uintptr(unsafe.Pointer(a.Dst))
	for i, s := range unsafe.Slice(a.Segments, a.Count) {
		unsafe.Slice(a.Segments, a.Count)[i].D = dst
		for p := range s.Count {
			row := FloatsAt(dst, cols)
			clear(row[copy(row, FloatsAt(s.D+uintptr(p*a.Stride), n)):])
			dst += uintptr(cols * 4)
		}
	}
}

// Columns is the number of columns of a mask of the low bits.
func Columns(mask uint32) int {
	n := 0
	for ; mask != 0; mask >>= 1 {
		n++
	}
	return n
}
