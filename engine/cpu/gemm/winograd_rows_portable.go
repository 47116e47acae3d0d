package gemm

import "unsafe"

func splitRowPortable(a *splitRowArgs) {
	y := make([]float32, 4*a.channels)
	at := func(pixel int) []float32 {
		return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.src), pixel*a.pixel)), a.channels)
	}
	for t := range a.count {
		d0, d1, d2, d3 := at(2*t), at(2*t+1), at(2*t+2), at(2*t+3)
		for c := range a.channels {
			v := wino2BT([4]float32{d0[c], d1[c], d2[c], d3[c]})
			for xi := range v {
				y[xi*a.channels+c] = v[xi]
			}
		}
		rowsPortable(&rowsArgs{
			dst: unsafe.Add(a.dst, t*a.next), ldd: a.xi, low: a.low,
			src: &y[0], lds: a.channels * 4, n: a.channels, count: 4,
		})
	}
}

// wideRowsPortable normalises rows, or copies them where there is nothing to do.
func wideRowsPortable(a *rowsArgs) {
	for i := range a.count {
		x := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.src), i*a.lds)), a.n)
		y := unsafe.Slice((*float32)(unsafe.Add(a.dst, i*a.ldd)), a.n)
		if a.a == nil {
			copy(y, x)
		} else {
			a.normaliseRow(y, x)
		}
	}
}

// filterPairsPortable transforms a pair of channels, and rounds its elements.
func filterPairsPortable(a *filterPairsArgs) {
	var y [4][2][side]float32 // elements of the even and the odd channel
	for k := range a.count {
		src := unsafe.Add(unsafe.Pointer(a.src), k*2*9*side*4)
		for i := range 2 * side {
			at := unsafe.Add(src, i/side*9*side*4+i%side*4)
			tap := func(j int) float32 { return *(*float32)(unsafe.Add(at, j*a.tap)) }
			for xi, v := range wino2Gg([3]float32{tap(0), tap(1), tap(2)}) {
				y[xi][i/side][i%side] = v
			}
		}
		rowPairsPortable(&rowsArgs{
			dst: unsafe.Add(a.dst, k*64), ldd: a.xi, low: a.low, skip: tileWords*4 - 64,
			src: &y[0][0][0], lds: side * 4, n: side, count: 4,
		})
	}
}

// joinPortable puts the two results that each row of four sums makes.
func joinPortable(p *putArgs) {
	acc := unsafe.Slice(p.acc, p.count*4*side)
	one := putArgs{count: 2, delta: p.delta, add: p.add, bias: p.bias, mask: p.mask, shift: p.shift}
	rows := unsafe.Slice(p.rows, 2*p.count)
	for r := range p.count {
		var pair [2][side]float32
		m := acc[r*4*side:]
		for c := range side {
			pair[0][c] = m[c] + (m[side+c] + m[2*side+c])
			pair[1][c] = m[side+c] - m[2*side+c] - m[3*side+c]
		}
		one.acc, one.rows = &pair[0][0], &rows[2*r]
		putPortable(&one)
	}
}
