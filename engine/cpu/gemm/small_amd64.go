package gemm

import "unsafe"

//go:noescape
func transpose8(dst *uint32, ldd int, src *uint32, lds int)

// transposeEight transposes 8x8 numbers.
func transposeEight(dst []float32, ldd int, src []float32, lds int) {
	transpose8((*uint32)(unsafe.Pointer(&dst[0])), ldd*4, (*uint32)(unsafe.Pointer(&src[0])), lds*4)
}
