package tensor

import "unsafe"

// line is the size of a cache line in bytes.
const line = 64

// Memory returns n zeros that begin on a cache line, in large pages where the system
// has some: large arrays are then read with a tenth of the address translations.
func Memory[T float32 | uint16](n int) []T {
	size := int(unsafe.Sizeof(T(0)))
	raw := make([]T, n+line/size)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(raw)))) & (line - 1) / size
	x := raw[skip : skip+n : skip+n]
	if n*size >= 4<<20 {
		inLargePages(unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), n*size))
	}
	return x
}

// Release gives the whole pages of x back to the system, where that can be done. The
// numbers are lost; the memory may be used again.
func Release[T float32 | uint16](x []T) {
	if len(x) > 0 {
		release(unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), len(x)*int(unsafe.Sizeof(x[0]))))
	}
}

// Halves views words as numbers of 16 bits, two to a word.
func Halves(words []float32) []uint16 {
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(words))), 2*len(words))
}
