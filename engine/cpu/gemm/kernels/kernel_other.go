//go:build !amd64 && !arm64

package kernels

import "github.com/ldm-go/ldm/engine/cpu/isa"

var kernel512, kernel256, kernelNEON = shape512, shape256, shapeNEON

// equip leaves the portable tiles as they are.
func equip(*Tiles, isa.Level) {}

func CallDot(_ isa.Level, a *DotArgs) { dotPortable(a) }

// Roof is the number of operations done to measure the machine's roof: none
// where there is no assembly for it.
func Roof(isa.Level, int) int64 { return 0 }

// TransposeBlock is not reached: there is no level above AVX2 here.
func TransposeBlock([]float32, int, []float32, int) {}
