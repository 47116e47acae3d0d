package kernels

import "unsafe"

func SplitRowPortable(a *SplitRowArgs) {
	y := make([]float32, 4*a.Channels)
	at := func(pixel int) []float32 {
		return unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.Src), pixel*a.Pixel)), a.Channels)
	}
	for t := range a.Count {
		d0, d1, d2, d3 := at(2*t), at(2*t+1), at(2*t+2), at(2*t+3)
		for c := range a.Channels {
			v := wino2BT([4]float32{d0[c], d1[c], d2[c], d3[c]})
			for xi := range v {
				y[xi*a.Channels+c] = v[xi]
			}
		}
		RowsPortable(&RowsArgs{
			Dst: unsafe.Add(a.Dst, t*a.Next), Ldd: a.Xi, Low: a.Low,
			Src: &y[0], Lds: a.Channels * 4, N: a.Channels, Count: 4,
		})
	}
}

// WideRowsPortable normalises rows, or copies them where there is nothing to do.
func WideRowsPortable(a *RowsArgs) {
	for i := range a.Count {
		x := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.Src), i*a.Lds)), a.N)
		y := unsafe.Slice((*float32)(unsafe.Add(a.Dst, i*a.Ldd)), a.N)
		if a.A == nil {
			copy(y, x)
		} else {
			a.normaliseRow(y, x)
		}
	}
}

// FilterPairsPortable transforms a pair of channels, and rounds its elements.
func FilterPairsPortable(a *FilterPairsArgs) {
	var y [4][2][Side]float32 // elements of the even and the odd channel
	for k := range a.Count {
		src := unsafe.Add(unsafe.Pointer(a.Src), k*2*9*Side*4)
		for i := range 2 * Side {
			at := unsafe.Add(src, i/Side*9*Side*4+i%Side*4)
			tap := func(j int) float32 { return *(*float32)(unsafe.Add(at, j*a.Tap)) }
			for xi, v := range wino2Gg([3]float32{tap(0), tap(1), tap(2)}) {
				y[xi][i/Side][i%Side] = v
			}
		}
		RowPairsPortable(&RowsArgs{
			Dst: unsafe.Add(a.Dst, k*64), Ldd: a.Xi, Low: a.Low, Skip: TileWords*4 - 64,
			Src: &y[0][0][0], Lds: Side * 4, N: Side, Count: 4,
		})
	}
}

// joinPortable puts the two results that each row of four sums makes.
func joinPortable(p *PutArgs) {
	acc := unsafe.Slice(p.Acc, p.Count*4*Side)
	one := PutArgs{Count: 2, Delta: p.Delta, Add: p.Add, Bias: p.Bias, Mask: p.Mask, Shift: p.Shift}
	rows := unsafe.Slice(p.Rows, 2*p.Count)
	for r := range p.Count {
		var pair [2][Side]float32
		m := acc[r*4*Side:]
		for c := range Side {
			pair[0][c] = m[c] + (m[Side+c] + m[2*Side+c])
			pair[1][c] = m[Side+c] - m[2*Side+c] - m[3*Side+c]
		}
		one.Acc, one.Rows = &pair[0][0], &rows[2*r]
		PutPortable(&one)
	}
}
