package gemm

import "unsafe"

// pixelPairsPortable makes Bᵀ d.
func pixelPairsPortable(a *pixelPairsArgs) {
	pairsOfPixels(a, func(d [6]float32) (even, odd [4]float32) {
		return wino2BT([4]float32(d[:4])), wino2BT([4]float32(d[2:]))
	})
}

// gradPairsPortable makes A e, but for the sign of its last element.
func gradPairsPortable(a *pixelPairsArgs) {
	elements := func(e0, e1 float32) [4]float32 { return [4]float32{e0, e0 + e1, e0 - e1, e1} }
	pairsOfPixels(a, func(d [6]float32) (even, odd [4]float32) {
		return elements(d[1], d[2]), elements(d[3], d[4])
	})
}

// pairsOfPixels makes the elements of every two pairs from their pixels and those beside
// them.
func pairsOfPixels(a *pixelPairsArgs, elements func(d [6]float32) (even, odd [4]float32)) {
	for i := range a.count {
		pixels := [6]unsafe.Pointer{unsafe.Pointer(a.before), 5: unsafe.Pointer(a.behind)}
		for j := range 4 {
			pixels[1+j] = unsafe.Add(unsafe.Pointer(a.src), (4*i+j)*a.pixel)
		}
		if i > 0 {
			pixels[0] = unsafe.Add(pixels[1], -a.pixel)
		}
		if i+1 < a.count {
			pixels[5] = unsafe.Add(pixels[4], a.pixel)
		}
		for c := range 16 * a.blocks {
			var d [6]float32
			for j, at := range pixels {
				d[j] = *(*float32)(unsafe.Add(at, c*4))
			}
			even, odd := elements(d)
			for xi := range even {
				dst := unsafe.Add(a.dst, i*a.next+xi*a.xi+c/16*a.block+c%16*4)
				*(*uint32)(dst) = pairBits(even[xi], odd[xi])
				*(*uint32)(unsafe.Add(dst, a.low)) = pairBits(lowPart(even[xi]), lowPart(odd[xi]))
			}
		}
	}
}

// turnFiltersPortable is turnTaps of the gradient to filters, made of sums of the
// elements ξ, lds apart, and of the filter's rows, in a tile each.
func turnFiltersPortable(a *turnArgs) {
	for row := range a.count {
		for c := range a.cols {
			dst := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.dst), row*a.next+c*a.ldd)), 9)
			for ky := range 3 {
				m := func(xi int) float32 {
					return *(*float32)(unsafe.Add(unsafe.Pointer(a.src), xi*a.lds+((ky*side+row)*side+c)*4))
				}
				half := (m(1) + m(2)) * .5
				dst[3*ky], dst[3*ky+1], dst[3*ky+2] = half+m(0), (m(1)-m(2))*.5, half-m(3)
			}
		}
	}
}
