package kernels

import (
	"math"
	"unsafe"
)

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
		if t.OffsetsB != nil {
			b = of + uintptr(unsafe.Slice(t.OffsetsB, t.Taps)[tap])
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
