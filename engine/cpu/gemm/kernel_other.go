//go:build !amd64

package gemm

import "github.com/ldm-go/ldm/engine/cpu/isa"

func kernelFor(isa.Level) kernel { return portable }

func callDot(_ isa.Level, a *dotArgs) { dotPortable(a) }

func tilesFor(isa.Level) tiles { return portableTiles }

// Roof is the number of operations done to measure the machine's roof: none
// where there is no assembly for it.
func Roof(isa.Level, int) int64 { return 0 }

// transposeBlock is not reached: there is no level above AVX2 here.
func transposeBlock([]float32, int, []float32, int) {}
