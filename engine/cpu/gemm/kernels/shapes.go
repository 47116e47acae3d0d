package kernels

import "github.com/ldm-go/ldm/engine/cpu/isa"

//go:generate go run github.com/ldm-go/ldm/internal/twins winograd2x_amd64.s.tmpl winograd4x_amd64.s.tmpl

// The shapes of the kernels of every instruction set, so that the table can tell on any
// machine what it would take on another. Lanes of 1 stand for stores that may be masked.
var (
	shape512  = Kernel{Name: "avx512", Rows: 12, Cols: 32, Winograd: &winogradKernel{Lanes: 1}, Winograd2: &winogradKernel{Lanes: 1}}
	shape256  = Kernel{Name: "avx2", Rows: 6, Cols: 16, Winograd: &winogradKernel{Lanes: 8}, Winograd2: &winogradKernel{Lanes: 8}}
	shapeNEON = Kernel{Name: "neon", Rows: 8, Cols: 8, Winograd: &winogradKernel{Lanes: 4}, Winograd2: &winogradKernel{Lanes: 4}}
)

// For is the kernel of a level. That of another architecture has its shape alone, and
// cannot be run.
func For(level isa.Level) Kernel {
	switch {
	case level.Has(isa.AVX512):
		return kernel512
	case level.Has(isa.AVX2):
		return kernel256
	case level.Has(isa.NEON):
		return kernelNEON
	}
	return Portable
}

// TilesFor is the set of a level: the portable one where it has no tiles of its own, or is
// of another architecture.
func TilesFor(level isa.Level) Tiles {
	t := PortableTiles
	if level.BF16() {
		t.Name = level.String()
		equip(&t, level)
	}
	return t
}
