//go:build !amd64

package kernels

import "github.com/ldm-go/ldm/engine/cpu/isa"

func For(isa.Level) Kernel { return Portable }

func CallDot(_ isa.Level, a *DotArgs) { dotPortable(a) }

func TilesFor(isa.Level) Tiles { return PortableTiles }

// Roof is the number of operations done to measure the machine's roof: none
// where there is no assembly for it.
func Roof(isa.Level, int) int64 { return 0 }

// TransposeBlock is not reached: there is no level above AVX2 here.
func TransposeBlock([]float32, int, []float32, int) {}
