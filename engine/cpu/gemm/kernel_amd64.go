package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/isa"
)

//go:noescape
func dot512(a *dotArgs)

//go:noescape
func dotHalf512(a *dotArgs)

// dotMask512 leaves out the half of a tile whose columns are not wanted.
func dotMask512(a *dotArgs) {
	if a.mask <= 0xffff {
		dotHalf512(a)
	} else {
		dot512(a)
	}
}

//go:noescape
func outer512(a *outerArgs)

//go:noescape
func dot256(a *dotArgs)

//go:noescape
func outer256(a *outerArgs)

//go:noescape
func panel256(a *panelArgs)

//go:noescape
func fma512(n int)

//go:noescape
func fma256(n int)

//go:noescape
func tileAMX(t *tileArgs)

//go:noescape
func tileVDP(t *tileArgs)

// tileThenPut makes split products one after the other, and stores the sums in the end.
func tileThenPut(t *tileArgs) {
	tileVDP(t)
	if t.lowA != 0 {
		low := *t
		low.resume, low.a = 1, t.a+uintptr(t.lowA)
		tileVDP(&low)
		low.a, low.b = t.a, t.b+uintptr(t.lowB)
		tileVDP(&low)
	}
	switch {
	case t.put == nil:
	case t.put.gated != 0:
		gateTiles(t.put)
	default:
		putTile(t.put)
	}
}

//go:noescape
func gateTiles(p *putArgs)

//go:noescape
func putTile(p *putArgs)

//go:noescape
func bf16Row(dst *uint16, src *float32, n int)

//go:noescape
func bf16Pairs(dst *uint32, even, odd *float32, n int)

//go:noescape
func bf16RowLow(dst *uint16, src *float32, n int)

//go:noescape
func bf16PairsLow(dst *uint32, even, odd *float32, n int)

//go:noescape
func bf16Rows(a *rowsArgs)

//go:noescape
func bf16NormRows(a *rowsArgs)

//go:noescape
func bf16RowPairs(a *rowsArgs)

//go:noescape
func pairPanels(a *panelPairs)

//go:noescape
func prefetchRows(src *float32, lds, lines, count int)

//go:noescape
func turnTaps(a *turnArgs)

// turnWhole leaves to the assembly what it has registers for.
func turnWhole(a *turnArgs) {
	if a.taps > 16 || a.cols < 16 {
		turnTapsPortable(a)
	} else {
		turnTaps(a)
	}
}

//go:noescape
func wideRows(a *rowsArgs)

//go:noescape
func splitRow(a *splitRowArgs)

//go:noescape
func filterPairs(a *filterPairsArgs)

//go:noescape
func pixelPairs(a *pixelPairsArgs)

//go:noescape
func gradPairs(a *pixelPairsArgs)

//go:noescape
func turnFilters(a *turnArgs)

//go:noescape
func transpose16(dst *uint32, ldd int, src *uint32, lds int)

//go:noescape
func winoIn512(a *winoInArgs)

//go:noescape
func winoFilter512(a *winoFilterArgs)

//go:noescape
func winoOut512(a *winoOutArgs)

//go:noescape
func winoGrad512(a *winoInArgs)

//go:noescape
func winoFilterGrad512(a *winoFilterArgs)

//go:noescape
func winoIn256(a *winoInArgs)

//go:noescape
func winoFilter256(a *winoFilterArgs)

//go:noescape
func winoOut256(a *winoOutArgs)

//go:noescape
func winoGrad256(a *winoInArgs)

//go:noescape
func winoFilterGrad256(a *winoFilterArgs)

func kernelFor(level isa.Level) kernel {
	switch {
	case level >= isa.AVX512:
		return kernel{"avx512", 12, 32, dotMask512, outer512, nil, &winogradKernel{winoIn512, winoFilter512, winoOut512, winoGrad512, winoFilterGrad512, 1}}
	case level == isa.AVX2:
		return kernel{"avx2", 6, 16, dot256, outer256, panel256, &winogradKernel{winoIn256, winoFilter256, winoOut256, winoGrad256, winoFilterGrad256, 8}}
	}
	return portable
}

// callDot runs a level's kernel by a direct call, so that args may stay on the stack.
func callDot(level isa.Level, a *dotArgs) {
	switch {
	case level >= isa.AVX512:
		dotMask512(a)
	case level == isa.AVX2:
		dot256(a)
	default:
		dotPortable(a)
	}
}

// transposeBlock transposes 16x16 numbers.
func transposeBlock(dst []float32, ldd int, src []float32, lds int) {
	transpose16((*uint32)(unsafe.Pointer(&dst[0])), ldd*4, (*uint32)(unsafe.Pointer(&src[0])), lds*4)
}

func tilesFor(level isa.Level) tiles {
	switch {
	case level >= isa.AMX:
		return tiles{"amx", tileAMX, bf16Row, bf16Pairs, transpose16, bf16RowLow, bf16PairsLow, bf16Rows, bf16NormRows, bf16RowPairs, pairPanels, prefetchRows, turnWhole, wideRows, splitRow, filterPairs, pixelPairs, gradPairs, turnFilters}
	case level == isa.AVX512BF16:
		return tiles{"avx512_bf16", tileThenPut, bf16Row, bf16Pairs, transpose16, bf16RowLow, bf16PairsLow, bf16Rows, bf16NormRows, bf16RowPairs, pairPanels, prefetchRows, turnWhole, wideRows, splitRow, filterPairs, pixelPairs, gradPairs, turnFilters}
	}
	return portableTiles
}

// Roof runs multiply-adds on registers alone and returns their number of
// floating-point operations; timed, it gives the machine's roof.
func Roof(level isa.Level, n int) int64 {
	switch {
	case level >= isa.AVX512:
		fma512(n)
		return int64(n) * 24 * 16 * 2
	case level == isa.AVX2:
		fma256(n)
		return int64(n) * 12 * 8 * 2
	}
	return 0
}
