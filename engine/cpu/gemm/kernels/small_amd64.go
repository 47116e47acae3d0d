package kernels

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/isa"
)

//go:noescape
func transpose8(dst *uint32, ldd int, src *uint32, lds int)

// TransposeEight transposes 8x8 numbers.
func TransposeEight(dst []float32, ldd int, src []float32, lds int) {
	transpose8((*uint32)(unsafe.Pointer(&dst[0])), ldd*4, (*uint32)(unsafe.Pointer(&src[0])), lds*4)
}

//go:noescape
func turnHigh(dst *uint32, ldd int, src *float32, lds, steps int)

//go:noescape
func turnLow(dst *uint32, ldd int, src *float32, lds, steps int)

func TurnersFor(level isa.Level) (high, low Turner) {
	if level.Has(isa.AVX512BF16) {
		return turnHigh, turnLow
	}
	return turnPortable, turnLowPortable
}

//go:noescape
func attendHalves(a *AttendArgs)

//go:noescape
func attendSplit(a *AttendArgs)

//go:noescape
func foldRows32(dst, rows *float32)

func AttenderFor(level isa.Level, split bool) Attender {
	switch {
	case level.Has(isa.AMX) && split:
		return Attender{attendSplit, foldRows32}
	case level.Has(isa.AMX):
		return Attender{attendHalves, foldRows32}
	case level.Has(isa.AVX512BF16):
		return Attender{}
	}
	return portableAttender(split)
}
