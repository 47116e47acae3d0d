package vec

import (
	"math"
	"unsafe"
)

// byRows takes a row after the other, with the functions of arrays.
func (a *softmaxArgs) byRows() {
	top, total, shrink := unsafe.Slice(a.top, a.rows), unsafe.Slice(a.total, a.rows), unsafe.Slice(a.shrink, a.rows)
	for r := range a.rows {
		seen := min(max(a.seen+r*a.step, 0), a.n)
		largest, sum := top[r], float32(0)
		for c := 0; c < seen; c += a.run() {
			largest = max(largest, use.max(a.at(a.x, r, c), min(a.run(), seen-c)))
		}
		for c := 0; c < seen; c += a.run() {
			x, n := a.at(a.x, r, c), min(a.run(), seen-c)
			sum += use.expSum(x, x, n, largest)
			a.round(r, c, x, n)
		}
		shrink[r] = 1
		if largest > top[r] {
			shrink[r], a.shrunk = float32(math.Exp(float64(top[r]-largest))), 1
		}
		top[r], total[r] = largest, total[r]*shrink[r]+sum
		a.clear(r, seen)
	}
}

func (a *gradArgs) byRows() {
	lse, delta := unsafe.Slice(a.lse, a.rows), unsafe.Slice(a.delta, a.rows)
	for r := range a.rows {
		seen := min(max(a.seen+r*a.step, 0), a.n)
		var sum float32
		for c := 0; c < seen; c += a.run() {
			x, n := a.at(a.x, r, c), min(a.run(), seen-c)
			a.multiply(x, n)
			use.expSum(x, x, n, lse[r])
			if a.own != 0 {
				sum += use.dot(x, a.at(a.grads, r, c), n)
			}
		}
		if a.own != 0 {
			delta[r] = sum
		}
		for c := 0; c < seen; c += a.run() {
			g, n := a.at(a.grads, r, c), min(a.run(), seen-c)
			use.softmaxGrad(g, a.at(a.x, r, c), g, n, delta[r])
			a.multiply(g, n)
			a.round(r, c, g, n)
		}
		a.clear(r, seen)
	}
}

// multiply multiplies n numbers by the scale.
func (a *gradArgs) multiply(x *float32, n int) {
	if a.scale != 1 {
		use.affine(x, x, n, a.scale, 0)
	}
}

// run is the number of columns that lie side by side.
func (a *blockArgs) run() int {
	if a.panel == panelWidth*4 {
		return a.n
	}
	return panelWidth
}

// at is where the element (r, c) of the scores or of their gradients lies.
func (a *blockArgs) at(x *float32, r, c int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(x), r*a.row+c/panelWidth*a.panel+c%panelWidth*4))
}

// halves are the high and the low parts of row r of the result.
func (a *blockArgs) halves(r int) (high, low []uint16) {
	width := (a.n + panelWidth - 1) / panelWidth * panelWidth
	row := unsafe.Add(unsafe.Pointer(a.dst), r*a.distance)
	high = unsafe.Slice((*uint16)(row), width)
	if a.low != 0 {
		low = unsafe.Slice((*uint16)(unsafe.Add(row, a.low)), width)
	}
	return high, low
}

// round writes n numbers from column c on.
func (a *blockArgs) round(r, c int, x *float32, n int) {
	if a.dst == nil {
		return
	}
	high, low := a.halves(r)
	if use.round != nil && low == nil {
		use.round(&high[c], x, n)
		return
	}
	for i, v := range unsafe.Slice(x, n) {
		high[c+i] = half(v)
		if low != nil {
			low[c+i] = half(v - math.Float32frombits(uint32(half(v))<<16))
		}
	}
}

// clear makes the rest of a row zero.
func (a *blockArgs) clear(r, seen int) {
	if a.dst == nil {
		return
	}
	high, low := a.halves(r)
	clear(high[seen:])
	if low != nil {
		clear(low[seen:])
	}
}

// half rounds to bfloat16, to nearest even. As the processor's instruction does,
// it takes denormal numbers for zero and keeps a NaN one.
func half(v float32) uint16 {
	b := math.Float32bits(v)
	switch {
	case v != v:
		return uint16(b>>16) | 0x40
	case b&0x7f800000 == 0:
		return uint16(b>>16) & 0x8000
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

func (a *scaleArgs) byRows() {
	for r := range a.rows {
		factor := *(*float32)(unsafe.Add(unsafe.Pointer(a.factors), r*a.step))
		if factor == 1 && a.dst == a.src {
			continue
		}
		dst, src := unsafe.Add(unsafe.Pointer(a.dst), r*a.ldd), unsafe.Add(unsafe.Pointer(a.src), r*a.lds)
		use.affine((*float32)(dst), (*float32)(src), a.n, factor, 0)
	}
}
