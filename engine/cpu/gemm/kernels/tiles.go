package kernels

import (
	"math"
	"unsafe"
)

// Tiles are the operations of bfloat16 products: 32x32 results at a time, made
// of pairs of neighbouring k, as the AMX tile instructions want them.
type Tiles struct {
	Name      string
	Tile      func(*TileArgs)
	Row       func(dst *uint16, src *float32, n int)
	Pairs     func(dst *uint32, even, odd *float32, n int)
	Transpose func(dst *uint32, ldd int, src *uint32, lds int)
	RowLow    func(dst *uint16, src *float32, n int)       // row of the low parts
	PairsLow  func(dst *uint32, even, odd *float32, n int) // pairs of the low parts
	Rows      func(*RowsArgs)                              // row of many rows
	NormRows  func(*RowsArgs)                              // the same, normalised before
	RowPairs  func(*RowsArgs)                              // pairs of many rows, each with its neighbour
	Panels    func(*PanelPairs)                            // pairs in panels of 32 columns
	Prefetch  func(src *float32, lds, lines, count int)    // cache lines of many rows
	TurnTaps  func(*TurnArgs)                              // sums of taps, side by side
	WideRows  func(*RowsArgs)                              // rows that stay float32, normalised before
	SplitRow  func(*SplitRowArgs)                          // Bᵀ d of F(2,3), high and low parts
	Filters   func(*FilterPairsArgs)                       // and G g

	// Of the gradient to the weights: Bᵀ d and A e, words of two pairs, and Gᵀ m.
	PixelPairs, GradPairs func(*PixelPairsArgs)
	TurnFilters           func(*TurnArgs)
}

// side is the number of rows and columns of a result, step the k of one tile.
const (
	Side = 32
	Step = 32
)

// TileWords is the size of a tile of 16 rows that lie in one piece.
const TileWords = 16 * 16

// TileArgs describes a product of 32 rows of a with 32 columns of b:
//
//	acc[r][c] (+)= Σ_tap Σ_k a[r][tap][k] · b[tap][k][c]
//
// a has rows of bfloat16 at stride lda, shifted by an offset for every tap; b
// is stored in words of two neighbouring k, so that a tile of 32 k is 16 rows.
type TileArgs struct {
	A       uintptr  // 0
	Lda     int      // 8: bytes
	Offsets *int     // 16: bytes, one for every tap
	Taps    int      // 24
	Steps   int      // 32: tiles of 32 k in every tap
	B       uintptr  // 40
	Ldb     int      // 48: bytes
	Second  int      // 56: bytes from b's columns 0-15 to columns 16-31
	Next    int      // 64: bytes from one step of b to the next
	Acc     *float32 // 72: [32][32]
	Resume  int      // 80: start from acc, not from zero

	// Many tiles that differ in a, b and acc alone:
	Moves *int // 88: bytes from a to the rows of each tile
	Count int  // 96: their number, accumulators one behind the other; 0: one tile at a

	Places   *int    // 104: bytes from b to what every tap meets; nil: each behind the last
	Fetch    uintptr // 112: what to bring into the second-level cache meanwhile
	FetchEnd uintptr // 120

	Put  *PutArgs // 128: where the sums go, tile after tile; nil: they are not complete yet
	Rate int      // 136: bytes of put.rows to be stored in every step of the next tile
	Gaps *int     // 144: bytes from each tile's first 16 rows to its second; nil: 16 rows

	Shifts *int // 152: bytes from b to that of each tile; nil: all have the same

	// Split products, high·low + high·high + low·high, where lowA is not 0:
	LowA int // 160: bytes from a to its low parts
	LowB int // 168: bytes from b to its

	FetchStep int // 176: bytes of fetch in every step, a multiple of 256, at least that

	// Tiles in fours, the sums of F(2,3): 2 where those of a row lie side by side, so
	// [32][4][32], and make two results. AMX and the twin alone.
	Fours int // 184

	Passing int // 192: whether b is to pass the first-level cache by, for rows of a to stay

	// Sums that are put may lie in the first so many bytes of acc by turns, all of which
	// then stay in the first-level cache; 0: each has its own place.
	Ring int // 200
}

// PutArgs adds bias (and the rows lying at distance delta) to a result and
// stores its rows at their addresses; a row with address 0 is dropped.
type PutArgs struct {
	Acc   *float32 // 0: [rows][32]
	Rows  *uintptr // 8: two for every row of sums of F(2,3)
	Count int      // 16
	Delta uintptr  // 24: from a row's address to that of the row to add
	Add   int      // 32: whether to add
	Bias  *float32 // 40: [32]
	Mask  uint32   // 48: columns, one bit each

	// Where the sums are of values and of their gates, tile by tile in turn, and
	// value·GELU(gate) is stored; the gates' bias lies behind that of the values.
	Gated int // 56
	Half  int // 64: whether as bfloat16

	Shift uintptr // 72: bytes from an address to where the row's columns begin
}

// RowsArgs describes a number of rows to be rounded to bfloat16.
type RowsArgs struct {
	Dst   unsafe.Pointer // 0
	Ldd   int            // 8: bytes from one row (or pair of rows) of dst to the next
	Src   *float32       // 16
	Lds   int            // 24: bytes from one row of src to the next
	N     int            // 32: numbers in a row
	Count int            // 40: rows, or pairs of rows
	Low   int            // 48: bytes from dst to where the low parts go; 0: nowhere

	// A normalisation of the rows before, (x-mean)·a + beta, and then SiLU if not 0:
	A, Beta, Mean *float32 // 56, 64, 72: [n]
	Silu          int      // 80

	Skip int // 88: bytes of dst, rows of pairs alone, between 16 pairs and the next
}

// PortableTiles are plain Go, the twins of the others.
var PortableTiles = Tiles{
	Name:        "portable",
	Tile:        TilePortable,
	Row:         RowPortable,
	Pairs:       PairsPortable,
	Transpose:   TransposePortable,
	RowLow:      RowLowPortable,
	PairsLow:    PairsLowPortable,
	Rows:        RowsPortable,
	NormRows:    NormRowsPortable,
	RowPairs:    RowPairsPortable,
	Panels:      PanelsPortable,
	Prefetch:    func(*float32, int, int, int) {},
	TurnTaps:    TurnTapsPortable,
	WideRows:    WideRowsPortable,
	SplitRow:    SplitRowPortable,
	Filters:     FilterPairsPortable,
	PixelPairs:  PixelPairsPortable,
	GradPairs:   GradPairsPortable,
	TurnFilters: TurnFiltersPortable,
}

func bytesAt(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// TilePortable sums for each pair of k the even and the odd product, one after the
// other, as VDPBF16PS does. AMX sums the even and the odd products of a tile apart
// and adds both to the result: they agree up to rounding.
func TilePortable(t *TileArgs) {
	count := max(t.Count, 1)
	acc := unsafe.Slice(t.Acc, count*Side*Side)
	for i := range count {
		move, gap, b := 0, Side/2*t.Lda, t.B
		if t.Count > 0 {
			move = unsafe.Slice(t.Moves, count)[i]
		}
		if t.Gaps != nil {
			gap = unsafe.Slice(t.Gaps, count)[i]
		}
		if t.Shifts != nil {
			b += uintptr(unsafe.Slice(t.Shifts, count)[i])
		}
		own := acc[i*Side*Side:]
		if t.Fours != 0 {
			own = acc[i/4*4*Side*Side+i%4*Side:]
		}
		tileAt(t, t.A+uintptr(move), b, gap-Side/2*t.Lda, own)
	}
	switch {
	case t.Put == nil:
	case t.Fours != 0:
		joinPortable(t.Put)
	case t.Put.Gated != 0:
		GatePortable(t.Put)
	default:
		PutPortable(t.Put)
	}
}

func tileAt(t *TileArgs, from, of uintptr, gap int, acc []float32) {
	if t.Resume == 0 {
		for r := range Side {
			clear(acc[r*Side<<t.Fours:][:Side])
		}
	}
	b := of
	for tap, offset := range unsafe.Slice(t.Offsets, t.Taps) {
		if t.Places != nil {
			b = of + uintptr(unsafe.Slice(t.Places, t.Taps)[tap])
		}
		for s := range t.Steps {
			a := from + uintptr(offset+s*64)
			if t.LowA != 0 {
				stepAt(t, a, gap, b+uintptr(t.LowB), acc)
			}
			stepAt(t, a, gap, b, acc)
			if t.LowA != 0 {
				stepAt(t, a+uintptr(t.LowA), gap, b, acc)
			}
			b += uintptr(t.Next)
		}
	}
}

// stepAt adds the products of 32 k.
func stepAt(t *TileArgs, from uintptr, gap int, b uintptr, acc []float32) {
	for r := range Side {
		a := unsafe.Slice((*uint32)(bytesAt(from+uintptr(r*t.Lda+r/(Side/2)*gap))), 16)
		for half := range 2 {
			row := acc[r*Side<<t.Fours+half*16:][:16]
			for k, pair := range a {
				even, odd := math.Float32frombits(pair<<16), math.Float32frombits(pair&0xffff0000)
				w := unsafe.Slice((*uint32)(bytesAt(b+uintptr(half*t.Second+k*t.Ldb))), 16)
				for c, v := range w {
					row[c] += even * math.Float32frombits(v<<16)
					row[c] += odd * math.Float32frombits(v&0xffff0000)
				}
			}
		}
	}
}

func PutPortable(p *PutArgs) {
	acc, bias, n := unsafe.Slice(p.Acc, p.Count*Side), unsafe.Slice(p.Bias, Side), Columns(p.Mask)
	for r, at := range unsafe.Slice(p.Rows, p.Count) {
		if at == 0 {
			continue
		}
		at += p.Shift
		y := FloatsAt(at, n)
		var add []float32
		if p.Add != 0 {
			add = FloatsAt(at+p.Delta, n)
		}
		for c := range y {
			v := acc[r*Side+c] + bias[c]
			if add != nil {
				v += add[c]
			}
			y[c] = v
		}
	}
}

// bf16Bits rounds to nearest even; the bfloat16 is the high half. As the
// processor's instruction does, it takes denormal numbers for zero (the products
// of tiles would anyway) and keeps a NaN one.
func bf16Bits(v float32) uint32 {
	b := math.Float32bits(v)
	switch exponent := b & 0x7f800000; {
	case exponent == 0:
		return b & 0x80000000
	case exponent == 0x7f800000 && b&0x007fffff != 0:
		return b | 0x00400000
	}
	return b + 0x7fff + b>>16&1
}

// PairBits is a word of two neighbouring k.
func PairBits(even, odd float32) uint32 { return bf16Bits(even)>>16 | bf16Bits(odd)&0xffff0000 }

// lowPart is what rounding to bfloat16 takes away.
func lowPart(v float32) float32 { return v - math.Float32frombits(bf16Bits(v)&0xffff0000) }

func RowLowPortable(dst *uint16, src *float32, n int) {
	out := unsafe.Slice(dst, n)
	for i, v := range unsafe.Slice(src, n) {
		out[i] = uint16(bf16Bits(lowPart(v)) >> 16)
	}
}

func PairsLowPortable(dst *uint32, even, odd *float32, n int) {
	out, o := unsafe.Slice(dst, n), unsafe.Slice(odd, n)
	for i, v := range unsafe.Slice(even, n) {
		out[i] = PairBits(lowPart(v), lowPart(o[i]))
	}
}

func RowPortable(dst *uint16, src *float32, n int) {
	out := unsafe.Slice(dst, n)
	for i, v := range unsafe.Slice(src, n) {
		out[i] = uint16(bf16Bits(v) >> 16)
	}
}

func PairsPortable(dst *uint32, even, odd *float32, n int) {
	out, o := unsafe.Slice(dst, n), unsafe.Slice(odd, n)
	for i, v := range unsafe.Slice(even, n) {
		out[i] = PairBits(v, o[i])
	}
}

func RowsPortable(a *RowsArgs) {
	for i := range a.Count {
		dst, src := unsafe.Add(a.Dst, i*a.Ldd), (*float32)(unsafe.Add(unsafe.Pointer(a.Src), i*a.Lds))
		RowPortable((*uint16)(dst), src, a.N)
		if a.Low != 0 {
			RowLowPortable((*uint16)(unsafe.Add(dst, a.Low)), src, a.N)
		}
	}
}

func RowPairsPortable(a *RowsArgs) {
	for i := range a.Count {
		dst, even := unsafe.Add(a.Dst, i*a.Ldd), unsafe.Add(unsafe.Pointer(a.Src), 2*i*a.Lds)
		odd := unsafe.Add(even, a.Lds)
		for from := 0; from < a.N; from += 16 {
			n, x, y := min(16, a.N-from), (*float32)(unsafe.Add(even, from*4)), (*float32)(unsafe.Add(odd, from*4))
			PairsPortable((*uint32)(dst), x, y, n)
			if a.Low != 0 {
				PairsLowPortable((*uint32)(unsafe.Add(dst, a.Low)), x, y, n)
			}
			dst = unsafe.Add(dst, 64+a.Skip)
		}
	}
}

func TransposePortable(dst *uint32, ldd int, src *uint32, lds int) {
	for i := range 16 {
		for j := range 16 {
			from := (*uint32)(unsafe.Add(unsafe.Pointer(src), i*lds+j*4))
			*(*uint32)(unsafe.Add(unsafe.Pointer(dst), j*ldd+i*4)) = *from
		}
	}
}
