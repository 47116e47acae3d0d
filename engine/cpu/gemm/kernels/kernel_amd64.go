package kernels

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/isa"
)

//go:noescape
func dot512(a *DotArgs)

//go:noescape
func dotHalf512(a *DotArgs)

// dotMask512 leaves out the half of a tile whose columns are not wanted.
func dotMask512(a *DotArgs) {
	if a.Mask <= 0xffff {
		dotHalf512(a)
	} else {
		dot512(a)
	}
}

//go:noescape
func outer512(a *OuterArgs)

//go:noescape
func dot256(a *DotArgs)

// dotWhole256 stores tiles of fewer columns, which the assembly leaves in a.Partial.
func dotWhole256(a *DotArgs) {
	dot256(a)
	if a.Mask != 0xffff {
		storePartial(a, 16)
	}
}

//go:noescape
func outer256(a *OuterArgs)

//go:noescape
func panel256(a *PanelArgs)

//go:noescape
func fma512(n int)

//go:noescape
func fma256(n int)

//go:noescape
func tileAMX(t *TileArgs)

//go:noescape
func tileVDP(t *TileArgs)

// tileThenPut makes split products one after the other, and stores the sums in the end.
func tileThenPut(t *TileArgs) {
	tileVDP(t)
	if t.LowA != 0 {
		low := *t
		low.Resume, low.A = 1, t.A+uintptr(t.LowA)
		tileVDP(&low)
		low.A, low.B = t.A, t.B+uintptr(t.LowB)
		tileVDP(&low)
	}
	switch {
	case t.Put == nil:
	case t.Put.Gated != 0:
		gateTiles(t.Put)
	default:
		putTile(t.Put)
	}
}

//go:noescape
func gateTiles(p *PutArgs)

//go:noescape
func putTile(p *PutArgs)

//go:noescape
func bf16Row(dst *uint16, src *float32, n int)

//go:noescape
func bf16Pairs(dst *uint32, even, odd *float32, n int)

//go:noescape
func bf16RowLow(dst *uint16, src *float32, n int)

//go:noescape
func bf16PairsLow(dst *uint32, even, odd *float32, n int)

//go:noescape
func bf16Rows(a *RowsArgs)

//go:noescape
func bf16NormRows(a *RowsArgs)

//go:noescape
func bf16RowPairs(a *RowsArgs)

//go:noescape
func pairPanels(a *PanelPairs)

//go:noescape
func prefetchRows(src *float32, lds, lines, count int)

//go:noescape
func turnTaps(a *TurnArgs)

// turnWhole leaves to the assembly what it has registers for.
func turnWhole(a *TurnArgs) {
	if a.Taps > 16 || a.Cols < 16 {
		TurnTapsPortable(a)
	} else {
		turnTaps(a)
	}
}

//go:noescape
func wideRows(a *RowsArgs)

//go:noescape
func splitRow(a *SplitRowArgs)

//go:noescape
func filterPairs(a *FilterPairsArgs)

//go:noescape
func pixelPairs(a *PixelPairsArgs)

//go:noescape
func gradPairs(a *PixelPairsArgs)

//go:noescape
func turnFilters(a *TurnArgs)

//go:noescape
func transpose16(dst *uint32, ldd int, src *uint32, lds int)

//go:noescape
func winoIn512(a *WinoInArgs)

//go:noescape
func winoFilter512(a *WinoFilterArgs)

//go:noescape
func winoOut512(a *WinoOutArgs)

//go:noescape
func winoGrad512(a *WinoInArgs)

//go:noescape
func winoFilterGrad512(a *WinoFilterArgs)

//go:noescape
func winoIn256(a *WinoInArgs)

//go:noescape
func winoFilter256(a *WinoFilterArgs)

//go:noescape
func winoOut256(a *WinoOutArgs)

//go:noescape
func winoGrad256(a *WinoInArgs)

//go:noescape
func winoFilterGrad256(a *WinoFilterArgs)

var kernelNEON = shapeNEON

var kernel512 = Kernel{
	Name: shape512.Name, Rows: shape512.Rows, Cols: shape512.Cols, Dot: dotMask512, Outer: outer512,
	Winograd: &winogradKernel{
		Input:      winoIn512,
		Filter:     winoFilter512,
		Output:     winoOut512,
		Grad:       winoGrad512,
		FilterGrad: winoFilterGrad512,
		Lanes:      shape512.Winograd.Lanes,
	},
	Winograd2: &winogradKernel{
		Input:      wino2In512,
		Filter:     wino2Filter512,
		Output:     wino2Out512,
		Grad:       wino2Grad512,
		FilterGrad: wino2FilterGrad512,
		Lanes:      shape512.Winograd2.Lanes,
	},
}

var kernel256 = Kernel{
	Name: shape256.Name, Rows: shape256.Rows, Cols: shape256.Cols, Dot: dotWhole256, Outer: outer256, Panel: panel256,
	Winograd: &winogradKernel{
		Input:      winoIn256,
		Filter:     winoFilter256,
		Output:     winoOut256,
		Grad:       winoGrad256,
		FilterGrad: winoFilterGrad256,
		Lanes:      shape256.Winograd.Lanes,
	},
	Winograd2: &winogradKernel{
		Input:      wino2In256,
		Filter:     wino2Filter256,
		Output:     wino2Out256,
		Grad:       wino2Grad256,
		FilterGrad: wino2FilterGrad256,
		Lanes:      shape256.Winograd2.Lanes,
	},
}

// CallDot runs a level's kernel by a direct call, so that args may stay on the stack.
func CallDot(level isa.Level, a *DotArgs) {
	switch {
	case level.Has(isa.AVX512):
		dotMask512(a)
	case level.Has(isa.AVX2):
		dotWhole256(a)
	default:
		dotPortable(a)
	}
}

// TransposeBlock transposes 16x16 numbers.
func TransposeBlock(dst []float32, ldd int, src []float32, lds int) {
	transpose16((*uint32)(unsafe.Pointer(&dst[0])), ldd*4, (*uint32)(unsafe.Pointer(&src[0])), lds*4)
}

// equip gives tiles their code, all of which needs AVX-512 BF16.
func equip(t *Tiles, level isa.Level) {
	if !level.Has(isa.AVX512BF16) {
		return
	}
	*t = Tiles{
		Name:      t.Name,
		Tile:      tileThenPut,
		Row:       bf16Row,
		Pairs:     bf16Pairs,
		Transpose: transpose16,
		RowLow:    bf16RowLow,
		PairsLow:  bf16PairsLow,
		Rows:      bf16Rows,
		NormRows:  bf16NormRows,
		RowPairs:  bf16RowPairs,
		Panels:    pairPanels,
		Prefetch:  prefetchRows,
		TurnTaps:  turnWhole,
		WideRows:  wideRows,
		RowTransforms: RowTransforms{
			SplitRow:    splitRow,
			Filters:     filterPairs,
			PixelPairs:  pixelPairs,
			GradPairs:   gradPairs,
			TurnFilters: turnFilters,
		},
	}
	if level.Has(isa.AMX) {
		t.Tile = tileAMX
	}
}

// Roof runs multiply-adds on registers alone and returns their number of
// floating-point operations; timed, it gives the machine's roof.
func Roof(level isa.Level, n int) int64 {
	switch {
	case level.Has(isa.AVX512):
		fma512(n)
		return int64(n) * 24 * 16 * 2
	case level.Has(isa.AVX2):
		fma256(n)
		return int64(n) * 12 * 8 * 2
	}
	return 0
}
