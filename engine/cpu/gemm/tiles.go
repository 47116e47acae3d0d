package gemm

import (
	"math"
	"unsafe"
)

// tiles are the operations of bfloat16 products: 32x32 results at a time, made
// of pairs of neighbouring k, as the AMX tile instructions want them.
type tiles struct {
	name      string
	tile      func(*tileArgs)
	row       func(dst *uint16, src *float32, n int)
	pairs     func(dst *uint32, even, odd *float32, n int)
	transpose func(dst *uint32, ldd int, src *uint32, lds int)
	rowLow    func(dst *uint16, src *float32, n int)       // row of the low parts
	pairsLow  func(dst *uint32, even, odd *float32, n int) // pairs of the low parts
	rows      func(*rowsArgs)                              // row of many rows
	normRows  func(*rowsArgs)                              // the same, normalised before
	rowPairs  func(*rowsArgs)                              // pairs of many rows, each with its neighbour
	panels    func(*panelPairs)                            // pairs in panels of 32 columns
	prefetch  func(src *float32, lds, lines, count int)    // cache lines of many rows
	turnTaps  func(*turnArgs)                              // sums of taps, side by side
	wideRows  func(*rowsArgs)                              // rows that stay float32, normalised before
	splitRow  func(*splitRowArgs)                          // Bᵀ d of F(2,3), high and low parts
	filters   func(*filterPairsArgs)                       // and G g

	// Of the gradient to the weights: Bᵀ d and A e, words of two pairs, and Gᵀ m.
	pixelPairs, gradPairs func(*pixelPairsArgs)
	turnFilters           func(*turnArgs)
}

// side is the number of rows and columns of a result, step the k of one tile.
const (
	side = 32
	step = 32
)

// tileWords is the size of a tile of 16 rows that lie in one piece.
const tileWords = 16 * 16

// tileArgs describes a product of 32 rows of a with 32 columns of b:
//
//	acc[r][c] (+)= Σ_tap Σ_k a[r][tap][k] · b[tap][k][c]
//
// a has rows of bfloat16 at stride lda, shifted by an offset for every tap; b
// is stored in words of two neighbouring k, so that a tile of 32 k is 16 rows.
type tileArgs struct {
	a       uintptr  // 0
	lda     int      // 8: bytes
	offsets *int     // 16: bytes, one for every tap
	taps    int      // 24
	steps   int      // 32: tiles of 32 k in every tap
	b       uintptr  // 40
	ldb     int      // 48: bytes
	second  int      // 56: bytes from b's columns 0-15 to columns 16-31
	next    int      // 64: bytes from one step of b to the next
	acc     *float32 // 72: [32][32]
	resume  int      // 80: start from acc, not from zero

	// Many tiles that differ in a, b and acc alone:
	moves *int // 88: bytes from a to the rows of each tile
	count int  // 96: their number, accumulators one behind the other; 0: one tile at a

	places   *int    // 104: bytes from b to what every tap meets; nil: each behind the last
	fetch    uintptr // 112: what to bring into the second-level cache meanwhile
	fetchEnd uintptr // 120

	put  *putArgs // 128: where the sums go, tile after tile; nil: they are not complete yet
	rate int      // 136: bytes of put.rows to be stored in every step of the next tile
	gaps *int     // 144: bytes from each tile's first 16 rows to its second; nil: 16 rows

	shifts *int // 152: bytes from b to that of each tile; nil: all have the same

	// Split products, high·low + high·high + low·high, where lowA is not 0:
	lowA int // 160: bytes from a to its low parts
	lowB int // 168: bytes from b to its

	fetchStep int // 176: bytes of fetch in every step, a multiple of 256, at least that

	// Tiles in fours, the sums of F(2,3): 2 where those of a row lie side by side, so
	// [32][4][32], and make two results. AMX and the twin alone.
	fours int // 184

	passing int // 192: whether b is to pass the first-level cache by, for rows of a to stay

	// Sums that are put may lie in the first so many bytes of acc by turns, all of which
	// then stay in the first-level cache; 0: each has its own place.
	ring int // 200
}

// putArgs adds bias (and the rows lying at distance delta) to a result and
// stores its rows at their addresses; a row with address 0 is dropped.
type putArgs struct {
	acc   *float32 // 0: [rows][32]
	rows  *uintptr // 8: two for every row of sums of F(2,3)
	count int      // 16
	delta uintptr  // 24: from a row's address to that of the row to add
	add   int      // 32: whether to add
	bias  *float32 // 40: [32]
	mask  uint32   // 48: columns, one bit each

	// Where the sums are of values and of their gates, tile by tile in turn, and
	// value·GELU(gate) is stored; the gates' bias lies behind that of the values.
	gated int // 56
	half  int // 64: whether as bfloat16

	shift uintptr // 72: bytes from an address to where the row's columns begin
}

// rowsArgs describes a number of rows to be rounded to bfloat16.
type rowsArgs struct {
	dst   unsafe.Pointer // 0
	ldd   int            // 8: bytes from one row (or pair of rows) of dst to the next
	src   *float32       // 16
	lds   int            // 24: bytes from one row of src to the next
	n     int            // 32: numbers in a row
	count int            // 40: rows, or pairs of rows
	low   int            // 48: bytes from dst to where the low parts go; 0: nowhere

	// A normalisation of the rows before, (x-mean)·a + beta, and then SiLU if not 0:
	a, beta, mean *float32 // 56, 64, 72: [n]
	silu          int      // 80

	skip int // 88: bytes of dst, rows of pairs alone, between 16 pairs and the next
}

var portableTiles = tiles{
	"portable", tilePortable, rowPortable, pairsPortable, transposePortable,
	rowLowPortable, pairsLowPortable, rowsPortable, normRowsPortable, rowPairsPortable, panelsPortable, func(*float32, int, int, int) {}, turnTapsPortable,
	wideRowsPortable, splitRowPortable, filterPairsPortable, pixelPairsPortable, gradPairsPortable, turnFiltersPortable,
}

func bytesAt(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// tilePortable sums for each pair of k the even and the odd product, one after the
// other, as VDPBF16PS does. AMX sums the even and the odd products of a tile apart
// and adds both to the result: they agree up to rounding.
func tilePortable(t *tileArgs) {
	count := max(t.count, 1)
	acc := unsafe.Slice(t.acc, count*side*side)
	for i := range count {
		move, gap, b := 0, side/2*t.lda, t.b
		if t.count > 0 {
			move = unsafe.Slice(t.moves, count)[i]
		}
		if t.gaps != nil {
			gap = unsafe.Slice(t.gaps, count)[i]
		}
		if t.shifts != nil {
			b += uintptr(unsafe.Slice(t.shifts, count)[i])
		}
		own := acc[i*side*side:]
		if t.fours != 0 {
			own = acc[i/4*4*side*side+i%4*side:]
		}
		tileAt(t, t.a+uintptr(move), b, gap-side/2*t.lda, own)
	}
	switch {
	case t.put == nil:
	case t.fours != 0:
		joinPortable(t.put)
	case t.put.gated != 0:
		gatePortable(t.put)
	default:
		putPortable(t.put)
	}
}

func tileAt(t *tileArgs, from, of uintptr, gap int, acc []float32) {
	if t.resume == 0 {
		for r := range side {
			clear(acc[r*side<<t.fours:][:side])
		}
	}
	b := of
	for tap, offset := range unsafe.Slice(t.offsets, t.taps) {
		if t.places != nil {
			b = of + uintptr(unsafe.Slice(t.places, t.taps)[tap])
		}
		for s := range t.steps {
			a := from + uintptr(offset+s*64)
			if t.lowA != 0 {
				stepAt(t, a, gap, b+uintptr(t.lowB), acc)
			}
			stepAt(t, a, gap, b, acc)
			if t.lowA != 0 {
				stepAt(t, a+uintptr(t.lowA), gap, b, acc)
			}
			b += uintptr(t.next)
		}
	}
}

// stepAt adds the products of 32 k.
func stepAt(t *tileArgs, from uintptr, gap int, b uintptr, acc []float32) {
	for r := range side {
		a := unsafe.Slice((*uint32)(bytesAt(from+uintptr(r*t.lda+r/(side/2)*gap))), 16)
		for half := range 2 {
			row := acc[r*side<<t.fours+half*16:][:16]
			for k, pair := range a {
				even, odd := math.Float32frombits(pair<<16), math.Float32frombits(pair&0xffff0000)
				w := unsafe.Slice((*uint32)(bytesAt(b+uintptr(half*t.second+k*t.ldb))), 16)
				for c, v := range w {
					row[c] += even * math.Float32frombits(v<<16)
					row[c] += odd * math.Float32frombits(v&0xffff0000)
				}
			}
		}
	}
}

func putPortable(p *putArgs) {
	acc, bias, n := unsafe.Slice(p.acc, p.count*side), unsafe.Slice(p.bias, side), columns(p.mask)
	for r, at := range unsafe.Slice(p.rows, p.count) {
		if at == 0 {
			continue
		}
		at += p.shift
		y := floatsAt(at, n)
		var add []float32
		if p.add != 0 {
			add = floatsAt(at+p.delta, n)
		}
		for c := range y {
			v := acc[r*side+c] + bias[c]
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

// pairBits is a word of two neighbouring k.
func pairBits(even, odd float32) uint32 { return bf16Bits(even)>>16 | bf16Bits(odd)&0xffff0000 }

// lowPart is what rounding to bfloat16 takes away.
func lowPart(v float32) float32 { return v - math.Float32frombits(bf16Bits(v)&0xffff0000) }

func rowLowPortable(dst *uint16, src *float32, n int) {
	out := unsafe.Slice(dst, n)
	for i, v := range unsafe.Slice(src, n) {
		out[i] = uint16(bf16Bits(lowPart(v)) >> 16)
	}
}

func pairsLowPortable(dst *uint32, even, odd *float32, n int) {
	out, o := unsafe.Slice(dst, n), unsafe.Slice(odd, n)
	for i, v := range unsafe.Slice(even, n) {
		out[i] = pairBits(lowPart(v), lowPart(o[i]))
	}
}

func rowPortable(dst *uint16, src *float32, n int) {
	out := unsafe.Slice(dst, n)
	for i, v := range unsafe.Slice(src, n) {
		out[i] = uint16(bf16Bits(v) >> 16)
	}
}

func pairsPortable(dst *uint32, even, odd *float32, n int) {
	out, o := unsafe.Slice(dst, n), unsafe.Slice(odd, n)
	for i, v := range unsafe.Slice(even, n) {
		out[i] = pairBits(v, o[i])
	}
}

func rowsPortable(a *rowsArgs) {
	for i := range a.count {
		dst, src := unsafe.Add(a.dst, i*a.ldd), (*float32)(unsafe.Add(unsafe.Pointer(a.src), i*a.lds))
		rowPortable((*uint16)(dst), src, a.n)
		if a.low != 0 {
			rowLowPortable((*uint16)(unsafe.Add(dst, a.low)), src, a.n)
		}
	}
}

func rowPairsPortable(a *rowsArgs) {
	for i := range a.count {
		dst, even := unsafe.Add(a.dst, i*a.ldd), unsafe.Add(unsafe.Pointer(a.src), 2*i*a.lds)
		odd := unsafe.Add(even, a.lds)
		for from := 0; from < a.n; from += 16 {
			n, x, y := min(16, a.n-from), (*float32)(unsafe.Add(even, from*4)), (*float32)(unsafe.Add(odd, from*4))
			pairsPortable((*uint32)(dst), x, y, n)
			if a.low != 0 {
				pairsLowPortable((*uint32)(unsafe.Add(dst, a.low)), x, y, n)
			}
			dst = unsafe.Add(dst, 64+a.skip)
		}
	}
}

func transposePortable(dst *uint32, ldd int, src *uint32, lds int) {
	for i := range 16 {
		for j := range 16 {
			from := (*uint32)(unsafe.Add(unsafe.Pointer(src), i*lds+j*4))
			*(*uint32)(unsafe.Add(unsafe.Pointer(dst), j*ldd+i*4)) = *from
		}
	}
}
