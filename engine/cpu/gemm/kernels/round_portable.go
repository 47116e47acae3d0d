package kernels

import (
	"math"
	"unsafe"
)

// bf16Bits rounds to nearest even; the bfloat16 is the high half. As the
// processor's instruction does, it takes denormal numbers for zero (the products
// of tiles would anyway) and keeps a NaN one.
func bf16Bits(v float32) uint32 {
	b := math.Float32bits(v)
	switch exponent := b & 0x7f800000; {
	case exponent == 0:
		return b & 0x80000000
	case exponent == 0x7f800000 && b&0x007fffff != 0:
		return b | 0x00400000
	}
	return b + 0x7fff + b>>16&1
}

// PairBits is a word of two neighbouring k.
func PairBits(even, odd float32) uint32 { return bf16Bits(even)>>16 | bf16Bits(odd)&0xffff0000 }

// lowPart is what rounding to bfloat16 takes away.
func lowPart(v float32) float32 { return v - math.Float32frombits(bf16Bits(v)&0xffff0000) }

func RowLowPortable(dst *uint16, src *float32, n int) {
	out := unsafe.Slice(dst, n)
	for i, v := range unsafe.Slice(src, n) {
		out[i] = uint16(bf16Bits(lowPart(v)) >> 16)
	}
}

func PairsLowPortable(dst *uint32, even, odd *float32, n int) {
	out, o := unsafe.Slice(dst, n), unsafe.Slice(odd, n)
	for i, v := range unsafe.Slice(even, n) {
		out[i] = PairBits(lowPart(v), lowPart(o[i]))
	}
}

func RowPortable(dst *uint16, src *float32, n int) {
	out := unsafe.Slice(dst, n)
	for i, v := range unsafe.Slice(src, n) {
		out[i] = uint16(bf16Bits(v) >> 16)
	}
}

func PairsPortable(dst *uint32, even, odd *float32, n int) {
	out, o := unsafe.Slice(dst, n), unsafe.Slice(odd, n)
	for i, v := range unsafe.Slice(even, n) {
		out[i] = PairBits(v, o[i])
	}
}

func RowsPortable(a *RowsArgs) {
	for i := range a.Count {
		dst, src := unsafe.Add(a.Dst, i*a.Ldd), (*float32)(unsafe.Add(unsafe.Pointer(a.Src), i*a.Lds))
		RowPortable((*uint16)(dst), src, a.N)
		if a.Low != 0 {
			RowLowPortable((*uint16)(unsafe.Add(dst, a.Low)), src, a.N)
		}
	}
}

func RowPairsPortable(a *RowsArgs) {
	for i := range a.Count {
		dst, even := unsafe.Add(a.Dst, i*a.Ldd), unsafe.Add(unsafe.Pointer(a.Src), 2*i*a.Lds)
		odd := unsafe.Add(even, a.Lds)
		for from := 0; from < a.N; from += 16 {
			n, x, y := min(16, a.N-from), (*float32)(unsafe.Add(even, from*4)), (*float32)(unsafe.Add(odd, from*4))
			PairsPortable((*uint32)(dst), x, y, n)
			if a.Low != 0 {
				PairsLowPortable((*uint32)(unsafe.Add(dst, a.Low)), x, y, n)
			}
			dst = unsafe.Add(dst, 64+a.Skip)
		}
	}
}

func TransposePortable(dst *uint32, ldd int, src *uint32, lds int) {
	for i := range 16 {
		for j := range 16 {
			from := (*uint32)(unsafe.Add(unsafe.Pointer(src), i*lds+j*4))
			*(*uint32)(unsafe.Add(unsafe.Pointer(dst), j*ldd+i*4)) = *from
		}
	}
}
