package gemm

import "unsafe"

// panelPairs describes pairs of pixels to be rounded to bfloat16, in panels of 32
// channels; channels that are none are zero.
type panelPairs struct {
	dst       *uint32  // 0
	ldd       int      // 8: bytes from one pair to the next
	panel     int      // 16: bytes from one panel to the next
	even, odd *float32 // 24, 32
	next      int      // 40: bytes from one even or odd pixel to the next
	n         int      // 48: channels
	count     int      // 56: pairs
	low       int      // 64: bytes from dst to where the low parts go; 0: nowhere
}

func panelsPortable(a *panelPairs) {
	for i := range a.count {
		even := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.even), i*a.next)), a.n)
		odd := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(a.odd), i*a.next)), a.n)
		for c := range roundUp(a.n, side) {
			var e, o float32
			if c < a.n {
				e, o = even[c], odd[c]
			}
			dst := unsafe.Add(unsafe.Pointer(a.dst), i*a.ldd+c/side*a.panel+c%side*4)
			*(*uint32)(dst) = pairBits(e, o)
			if a.low != 0 {
				*(*uint32)(unsafe.Add(dst, a.low)) = pairBits(lowPart(e), lowPart(o))
			}
		}
	}
}

// turnArgs describes how sums of many taps, each in a tile of its own, come together:
//
//	dst[column][row][tap] = src[tap][row][column]
type turnArgs struct {
	dst   *float32 // 0
	ldd   int      // 8: bytes from one column of dst to the next
	next  int      // 16: bytes from one row of dst to the next
	src   *float32 // 24: rows of 32 columns
	lds   int      // 32: bytes from one tap of src to the next
	taps  int      // 40
	cols  int      // 48: at most 16
	count int      // 56: rows
}

func turnTapsPortable(a *turnArgs) {
	for row := range a.count {
		for c := range a.cols {
			dst := unsafe.Add(unsafe.Pointer(a.dst), row*a.next+c*a.ldd)
			src := unsafe.Add(unsafe.Pointer(a.src), (row*side+c)*4)
			for t := range a.taps {
				*(*float32)(unsafe.Add(dst, t*4)) = *(*float32)(unsafe.Add(src, t*a.lds))
			}
		}
	}
}

// A turner rounds 16 columns of steps times 32 numbers to bfloat16 and makes rows of
// them; the strides are in bytes.
type turner func(dst *uint32, ldd int, src *float32, lds, steps int)

func turnPortable(dst *uint32, ldd int, src *float32, lds, steps int) {
	turnBy(func(v float32) float32 { return v }, dst, ldd, src, lds, steps)
}

func turnLowPortable(dst *uint32, ldd int, src *float32, lds, steps int) {
	turnBy(lowPart, dst, ldd, src, lds, steps)
}
