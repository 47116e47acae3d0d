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
	put       func(*putArgs)
	row       func(dst *uint16, src *float32, n int)
	pairs     func(dst *uint32, even, odd *float32, n int)
	pairRows  func(dst *uint32, src *float32, c, count int)
	transpose func(dst *uint32, ldd int, src *uint32, lds int)
	rowLow    func(dst *uint16, src *float32, n int)       // row of the low parts
	pairsLow  func(dst *uint32, even, odd *float32, n int) // pairs of the low parts
}

// side is the number of rows and columns of a result, step the k of one tile.
const (
	side = 32
	step = 32
)

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
}

// putArgs adds bias (and the rows lying at distance delta) to a result and
// stores its rows at their addresses; a row with address 0 is dropped.
type putArgs struct {
	acc   *float32 // 0: [rows][32]
	rows  *uintptr // 8
	count int      // 16
	delta uintptr  // 24: from a row's address to that of the row to add
	add   int      // 32: whether to add
	bias  *float32 // 40: [32]
	mask  uint32   // 48: columns, one bit each
}

var portableTiles = tiles{"portable", tilePortable, putPortable, rowPortable, pairsPortable, pairRowsPortable, transposePortable, rowLowPortable, pairsLowPortable}

func bytesAt(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// tilePortable follows the order of the tile instruction: for each pair of k
// the even and the odd product, one after the other.
func tilePortable(t *tileArgs) {
	acc := unsafe.Slice(t.acc, side*side)
	if t.resume == 0 {
		clear(acc)
	}
	b := t.b
	for _, offset := range unsafe.Slice(t.offsets, t.taps) {
		for s := range t.steps {
			for r := range side {
				a := unsafe.Slice((*uint32)(bytesAt(t.a+uintptr(offset+r*t.lda+s*64))), 16)
				for half := range 2 {
					row := acc[r*side+half*16:][:16]
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
			b += uintptr(t.next)
		}
	}
}

func putPortable(p *putArgs) {
	acc, bias, n := unsafe.Slice(p.acc, p.count*side), unsafe.Slice(p.bias, side), columns(p.mask)
	for r, at := range unsafe.Slice(p.rows, p.count) {
		if at == 0 {
			continue
		}
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

// bf16Bits rounds to nearest even; the bfloat16 is the high half.
func bf16Bits(v float32) uint32 {
	b := math.Float32bits(v)
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

// pairRowsPortable makes count pairs of 2·count neighbouring rows of c numbers.
func pairRowsPortable(dst *uint32, src *float32, c, count int) {
	for i := range count {
		even := unsafe.Add(unsafe.Pointer(src), i*c*8)
		pairsPortable((*uint32)(unsafe.Add(unsafe.Pointer(dst), i*c*4)), (*float32)(even), (*float32)(unsafe.Add(even, c*4)), c)
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
