package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/isa"
)

//go:noescape
func transpose8(dst *uint32, ldd int, src *uint32, lds int)

// transposeEight transposes 8x8 numbers.
func transposeEight(dst []float32, ldd int, src []float32, lds int) {
	transpose8((*uint32)(unsafe.Pointer(&dst[0])), ldd*4, (*uint32)(unsafe.Pointer(&src[0])), lds*4)
}

//go:noescape
func turnHigh(dst *uint32, ldd int, src *float32, lds, steps int)

//go:noescape
func turnLow(dst *uint32, ldd int, src *float32, lds, steps int)

func turnersFor(level isa.Level) (high, low turner) {
	if level >= isa.AVX512BF16 {
		return turnHigh, turnLow
	}
	return turnPortable, turnLowPortable
}

//go:noescape
func attendHalves(a *attendArgs)

//go:noescape
func attendSplit(a *attendArgs)

//go:noescape
func foldRows32(dst, rows *float32)

func attenderFor(level isa.Level, split bool) attender {
	switch {
	case level >= isa.AMX && split:
		return attender{attendSplit, foldRows32}
	case level >= isa.AMX:
		return attender{attendHalves, foldRows32}
	case level >= isa.AVX512BF16:
		return attender{}
	}
	return portableAttender(split)
}
