package kernels

import "unsafe"

// PanelPairs describes pairs of pixels to be rounded to bfloat16, in panels of 32
// channels; channels that are none are zero.
type PanelPairs struct {
	Dst       *uint32  // 0
	Ldd       int      // 8: bytes from one pair to the next
	Panel     int      // 16: bytes from one panel to the next
	Even, Odd *float32 // 24, 32
	Next      int      // 40: bytes from one even or odd pixel to the next
	N         int      // 48: channels
	Count     int      // 56: pairs
	Low       int      // 64: bytes from dst to where the low parts go; 0: nowhere
}

func PanelsPortable(a *PanelPairs) {
	for i := range a.Count {
		even := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.Even), i*a.Next)), a.N)
		odd := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.Odd), i*a.Next)), a.N)
		for c := range (a.N + Side - 1) / Side * Side {
			var e, o float32
			if c < a.N {
				e, o = even[c], odd[c]
			}
			dst := unsafe.Add(unsafe.Pointer(a.Dst), i*a.Ldd+c/Side*a.Panel+c%Side*4)
			*(*uint32)(dst) = PairBits(e, o)
			if a.Low != 0 {
				*(*uint32)(unsafe.Add(dst, a.Low)) = PairBits(lowPart(e), lowPart(o))
			}
		}
	}
}

// TurnArgs describes how sums of many taps, each in a tile of its own, come together:
//
//	dst[column][row][tap] = src[tap][row][column]
type TurnArgs struct {
	Dst   *float32 // 0
	Ldd   int      // 8: bytes from one column of dst to the next
	Next  int      // 16: bytes from one row of dst to the next
	Src   *float32 // 24: rows of 32 columns
	Lds   int      // 32: bytes from one tap of src to the next
	Taps  int      // 40
	Cols  int      // 48: at most 16
	Count int      // 56: rows
}

func TurnTapsPortable(a *TurnArgs) {
	for row := range a.Count {
		for c := range a.Cols {
			dst := unsafe.Add(unsafe.Pointer(a.Dst), row*a.Next+c*a.Ldd)
			src := unsafe.Add(unsafe.Pointer(a.Src), (row*Side+c)*4)
			for t := range a.Taps {
				*(*float32)(unsafe.Add(dst, t*4)) = *(*float32)(unsafe.Add(src, t*a.Lds))
			}
		}
	}
}

// A turner rounds 16 columns of steps times 32 numbers to bfloat16 and makes rows of
// them; the strides are in bytes.
type Turner func(dst *uint32, ldd int, src *float32, lds, steps int)

func turnPortable(dst *uint32, ldd int, src *float32, lds, steps int) {
	turnBy(func(v float32) float32 { return v }, dst, ldd, src, lds, steps)
}

func turnLowPortable(dst *uint32, ldd int, src *float32, lds, steps int) {
	turnBy(lowPart, dst, ldd, src, lds, steps)
}

// turnBy transposes words of pairs of a part of the numbers.
func turnBy(part func(float32) float32, dst *uint32, ldd int, src *float32, lds, steps int) {
	for c := range 16 {
		at := func(r int) float32 { return part(*(*float32)(unsafe.Add(unsafe.Pointer(src), r*lds+c*4))) }
		row := unsafe.Slice((*uint32)(unsafe.Add(unsafe.Pointer(dst), c*ldd)), steps*Step/2)
		for i := range row {
			row[i] = PairBits(at(2*i), at(2*i+1))
		}
	}
}
