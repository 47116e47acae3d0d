package kernels

import "unsafe"

// PixelPairsPortable makes Bᵀ d.
func PixelPairsPortable(a *PixelPairsArgs) {
	pairsOfPixels(a, func(d [6]float32) (even, odd [4]float32) {
		return wino2BT([4]float32(d[:4])), wino2BT([4]float32(d[2:]))
	})
}

// GradPairsPortable makes A e, but for the sign of its last element.
func GradPairsPortable(a *PixelPairsArgs) {
	elements := func(e0, e1 float32) [4]float32 { return [4]float32{e0, e0 + e1, e0 - e1, e1} }
	pairsOfPixels(a, func(d [6]float32) (even, odd [4]float32) {
		return elements(d[1], d[2]), elements(d[3], d[4])
	})
}

// pairsOfPixels makes the elements of every two pairs from their pixels and those beside
// them.
func pairsOfPixels(a *PixelPairsArgs, elements func(d [6]float32) (even, odd [4]float32)) {
	for i := range a.Count {
		pixels := [6]unsafe.Pointer{unsafe.Pointer(a.Before), 5: unsafe.Pointer(a.Behind)}
		for j := range 4 {
			pixels[1+j] = unsafe.Add(unsafe.Pointer(a.Src), (4*i+j)*a.Pixel)
		}
		if i > 0 {
			pixels[0] = unsafe.Add(pixels[1], -a.Pixel)
		}
		if i+1 < a.Count {
			pixels[5] = unsafe.Add(pixels[4], a.Pixel)
		}
		for c := range 16 * a.Blocks {
			var d [6]float32
			for j, at := range pixels {
				d[j] = *(*float32)(unsafe.Add(at, c*4))
			}
			even, odd := elements(d)
			for xi := range even {
				dst := unsafe.Add(a.Dst, i*a.Next+xi*a.Xi+c/16*a.Block+c%16*4)
				*(*uint32)(dst) = PairBits(even[xi], odd[xi])
				*(*uint32)(unsafe.Add(dst, a.Low)) = PairBits(lowPart(even[xi]), lowPart(odd[xi]))
			}
		}
	}
}

// TurnFiltersPortable is turnTaps of the gradient to filters, made of sums of the
// elements ξ, lds apart, and of the filter's rows, in a tile each.
func TurnFiltersPortable(a *TurnArgs) {
	for row := range a.Count {
		for c := range a.Cols {
			dst := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.Dst), row*a.Next+c*a.Ldd)), 9)
			for ky := range 3 {
				m := func(xi int) float32 {
					return *(*float32)(unsafe.Add(unsafe.Pointer(a.Src), xi*a.Lds+((ky*Side+row)*Side+c)*4))
				}
				half := (m(1) + m(2)) * .5
				dst[3*ky], dst[3*ky+1], dst[3*ky+2] = half+m(0), (m(1)-m(2))*.5, half-m(3)
			}
		}
	}
}
