package gemm

import "fmt"

// winogradSize is one of the algorithms F(out x out, 3x3).
type winogradSize struct {
	tile, out       int // sides of a tile of the picture and of its results
	g               [][3]float32
	*winogradKernel // the transforms
}

func winogradF4(k kernel) winogradSize { return winogradSize{6, 4, winoG[:], k.winograd} }

func winogradF2(k kernel) winogradSize { return winogradSize{4, 2, wino2G[:], winograd2(k)} }

func (s winogradSize) String() string { return fmt.Sprintf("Winograd F(%dx%d,3x3)", s.out, s.out) }

// all is the number of elements ξ.
func (s winogradSize) all() int { return s.tile * s.tile }

// Sides of the largest tile.
const (
	winoMaxTile = 6
	winoMaxOut  = 4
)
