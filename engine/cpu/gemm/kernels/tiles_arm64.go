package kernels

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/isa"
)

// equip gives tiles their code, all of which needs FEAT_BF16. What split products and
// Winograd along rows need besides stays portable: nothing takes those on arm64.
func equip(t *Tiles, level isa.Level) {
	if !level.Has(isa.NEONBF16) {
		return
	}
	t.Tile = tileMatrix
	t.Row, t.Pairs, t.Transpose = roundRow, roundPairs, transpose16
	t.Rows, t.NormRows, t.RowPairs, t.Panels = rowsNEON, normRowsNEON, rowPairsNEON, panelsNEON
}

// matrixArgs describes 32 rows of a by 32 columns of b, as TileArgs does for many.
type matrixArgs struct {
	a        [4]uintptr // of every eight rows
	lda      int
	offsets  *int
	taps     int
	steps    int
	b        uintptr
	ldb      int
	second   int
	next     int
	offsetsB *int
	acc      *float32
	resume   int
}

//go:noescape
func tileBFMMLA(a *matrixArgs)

// tileMatrix multiplies tile after tile, and stores the sums in the end. Products that are
// split, or make the sums of F(2,3), are left to the twin.
func tileMatrix(t *TileArgs) {
	if t.LowA != 0 || t.Fours != 0 {
		TilePortable(t)
		return
	}
	count := max(t.Count, 1)
	acc := unsafe.Slice(t.Acc, count*Side*Side)
	m := matrixArgs{
		lda: t.Lda, offsets: t.Offsets, taps: t.Taps, steps: t.Steps, ldb: t.Ldb,
		second: t.Second, next: t.Next, offsetsB: t.OffsetsB, resume: t.Resume,
	}
	for i := range count {
		at, gap := t.A, Side/2*t.Lda
		if t.Count > 0 {
			at += uintptr(unsafe.Slice(t.Moves, count)[i])
		}
		if t.Gaps != nil {
			gap = unsafe.Slice(t.Gaps, count)[i]
		}
		m.b = t.B
		if t.Shifts != nil {
			m.b += uintptr(unsafe.Slice(t.Shifts, count)[i])
		}
		eight := uintptr(8 * t.Lda)
		m.a = [4]uintptr{at, at + eight, at + uintptr(gap), at + uintptr(gap) + eight}
		m.acc = &acc[i*Side*Side]
		tileBFMMLA(&m)
	}
	switch {
	case t.Put == nil:
	case t.Put.Gated != 0:
		gateNEON(t.Put)
	case t.Put.Mask == 1<<Side-1:
		putWhole(t.Put)
	default:
		PutPortable(t.Put)
	}
}

// putWhole stores rows of all 32 columns.
//
//go:noescape
func putWhole(p *PutArgs)

// gateRow is (sums + bias)·GELU of the gates', a tile behind the sums and a row behind the
// bias.
//
//go:noescape
func gateRow(dst, sums, bias *float32)

func gateNEON(p *PutArgs) {
	n := Columns(p.Mask)
	acc := unsafe.Slice(p.Acc, 2*((p.Count+Side-1)/Side*Side)*Side)
	var row [Side]float32
	for r, at := range unsafe.Slice(p.Rows, p.Count) {
		if at == 0 {
			continue
		}
		gateRow(&row[0], &acc[(r+r/Side*Side)*Side], p.Bias)
		at += p.Shift
		if p.Half != 0 {
			roundRow((*uint16)(bytesAt(at)), &row[0], n)
		} else {
			copy(FloatsAt(at, n), row[:])
		}
	}
}

//go:noescape
func roundRow(dst *uint16, src *float32, n int)

//go:noescape
func roundPairs(dst *uint32, even, odd *float32, n int)

func transpose16(dst *uint32, ldd int, src *uint32, lds int) {
	for i := range 2 {
		for j := range 2 {
			to, from := unsafe.Add(unsafe.Pointer(dst), 8*(j*ldd+i*4)), unsafe.Add(unsafe.Pointer(src), 8*(i*lds+j*4))
			transpose8((*uint32)(to), ldd, (*uint32)(from), lds)
		}
	}
}

func rowsNEON(a *RowsArgs) {
	if a.Low != 0 {
		RowsPortable(a)
		return
	}
	for i := range a.Count {
		roundRow((*uint16)(unsafe.Add(a.Dst, i*a.Ldd)), (*float32)(unsafe.Add(unsafe.Pointer(a.Src), i*a.Lds)), a.N)
	}
}

// normalise is (x-mean)·a + beta; normaliseSiLU a SiLU of that.
//
//go:noescape
func normalise(dst, x, a, beta, mean *float32, n int)

//go:noescape
func normaliseSiLU(dst, x, a, beta, mean *float32, n int)

func normRowsNEON(a *RowsArgs) {
	if a.Low != 0 {
		NormRowsPortable(a)
		return
	}
	var row [256]float32
	for i := range a.Count {
		dst, src := unsafe.Add(a.Dst, i*a.Ldd), unsafe.Add(unsafe.Pointer(a.Src), i*a.Lds)
		for from := 0; from < a.N; from += len(row) {
			n := min(len(row), a.N-from)
			at := func(x *float32) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(x), from*4)) }
			if a.Silu != 0 {
				normaliseSiLU(&row[0], at((*float32)(src)), at(a.A), at(a.Beta), at(a.Mean), n)
			} else {
				normalise(&row[0], at((*float32)(src)), at(a.A), at(a.Beta), at(a.Mean), n)
			}
			roundRow((*uint16)(unsafe.Add(dst, from*2)), &row[0], n)
		}
	}
}

func rowPairsNEON(a *RowsArgs) {
	if a.Low != 0 {
		RowPairsPortable(a)
		return
	}
	run := a.N
	if a.Skip != 0 {
		run = 16
	}
	for i := range a.Count {
		dst, even := unsafe.Add(a.Dst, i*a.Ldd), unsafe.Add(unsafe.Pointer(a.Src), 2*i*a.Lds)
		odd := unsafe.Add(even, a.Lds)
		for from := 0; from < a.N; from += run {
			roundPairs((*uint32)(dst), (*float32)(unsafe.Add(even, from*4)), (*float32)(unsafe.Add(odd, from*4)), min(run, a.N-from))
			dst = unsafe.Add(dst, 64+a.Skip)
		}
	}
}

func panelsNEON(a *PanelPairs) {
	if a.Low != 0 {
		PanelsPortable(a)
		return
	}
	for i := range a.Count {
		even, odd := unsafe.Add(unsafe.Pointer(a.Even), i*a.Next), unsafe.Add(unsafe.Pointer(a.Odd), i*a.Next)
		for c := 0; c < a.N; c += Side {
			dst := unsafe.Add(unsafe.Pointer(a.Dst), i*a.Ldd+c/Side*a.Panel)
			n := min(Side, a.N-c)
			roundPairs((*uint32)(dst), (*float32)(unsafe.Add(even, c*4)), (*float32)(unsafe.Add(odd, c*4)), n)
			clear(unsafe.Slice((*uint32)(dst), Side)[n:])
		}
	}
}

// TurnersFor are the turners of a level.
func TurnersFor(level isa.Level) (high, low Turner) {
	if level.Has(isa.NEONBF16) {
		return turnNEON, turnLowPortable
	}
	return turnPortable, turnLowPortable
}

func turnNEON(dst *uint32, ldd int, src *float32, lds, steps int) {
	var block [16 * 16]uint32
	for s := range steps {
		from := unsafe.Add(unsafe.Pointer(src), s*Step*lds)
		for i := range 16 {
			even := unsafe.Add(from, 2*i*lds)
			roundPairs(&block[i*16], (*float32)(even), (*float32)(unsafe.Add(even, lds)), 16)
		}
		transpose16((*uint32)(unsafe.Add(unsafe.Pointer(dst), s*64)), ldd, &block[0], 64)
	}
}

// AttenderFor is that of a level: none where products of tiles serve.
func AttenderFor(level isa.Level, split bool) Attender {
	if level.Has(isa.NEONBF16) {
		return Attender{}
	}
	return portableAttender(split)
}
