package kernels

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/isa"
)

//go:noescape
func dot8x8(a *DotArgs)

// dotNEON stores tiles of fewer columns, which the assembly leaves in a.Partial.
func dotNEON(a *DotArgs) {
	dot8x8(a)
	if a.Mask != 0xff {
		storePartial(a, 8)
	}
}

//go:noescape
func outer8x8(a *OuterArgs)

//go:noescape
func panel8(a *PanelArgs)

// panelNEON leaves to plain Go what has fewer columns.
func panelNEON(a *PanelArgs) {
	if a.Mask == 0xff {
		panel8(a)
	} else {
		panelOf(a, 8)
	}
}

//go:noescape
func winoInNEON(a *WinoInArgs)

//go:noescape
func winoFilterNEON(a *WinoFilterArgs)

//go:noescape
func winoOutNEON(a *WinoOutArgs)

//go:noescape
func winoGradNEON(a *WinoInArgs)

//go:noescape
func winoFilterGradNEON(a *WinoFilterArgs)

//go:noescape
func wino2InNEON(a *WinoInArgs)

//go:noescape
func wino2FilterNEON(a *WinoFilterArgs)

//go:noescape
func wino2OutNEON(a *WinoOutArgs)

//go:noescape
func wino2GradNEON(a *WinoInArgs)

//go:noescape
func wino2FilterGradNEON(a *WinoFilterArgs)

var kernel512, kernel256 = shape512, shape256

var kernelNEON = Kernel{
	Name: shapeNEON.Name, Rows: shapeNEON.Rows, Cols: shapeNEON.Cols, Dot: dotNEON, Outer: outer8x8, Panel: panelNEON,
	Winograd: &winogradKernel{
		Input:      winoInNEON,
		Filter:     winoFilterNEON,
		Output:     winoOutNEON,
		Grad:       winoGradNEON,
		FilterGrad: winoFilterGradNEON,
		Lanes:      shapeNEON.Winograd.Lanes,
	},
	Winograd2: &winogradKernel{
		Input:      wino2InNEON,
		Filter:     wino2FilterNEON,
		Output:     wino2OutNEON,
		Grad:       wino2GradNEON,
		FilterGrad: wino2FilterGradNEON,
		Lanes:      shapeNEON.Winograd2.Lanes,
	},
}

// CallDot runs a level's kernel by a direct call, so that args may stay on the stack.
func CallDot(level isa.Level, a *DotArgs) {
	if level.Has(isa.NEON) {
		dotNEON(a)
	} else {
		dotPortable(a)
	}
}

//go:noescape
func transpose8(dst *uint32, ldd int, src *uint32, lds int)

// TransposeEight transposes 8x8 numbers.
func TransposeEight(dst []float32, ldd int, src []float32, lds int) {
	transpose8((*uint32)(unsafe.Pointer(&dst[0])), ldd*4, (*uint32)(unsafe.Pointer(&src[0])), lds*4)
}

// TransposeBlock is not reached: there is no level with AVX-512 here.
func TransposeBlock([]float32, int, []float32, int) {}

//go:noescape
func fmaNEON(n int)

// Roof runs multiply-adds on registers alone and returns their number of
// floating-point operations; timed, it gives the machine's roof.
func Roof(level isa.Level, n int) int64 {
	if !level.Has(isa.NEON) {
		return 0
	}
	fmaNEON(n)
	return int64(n) * 24 * 4 * 2
}
