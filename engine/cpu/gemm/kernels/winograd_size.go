package kernels

import "fmt"

// WinogradSize is one of the algorithms F(out x out, 3x3).
type WinogradSize struct {
	Tile, Out       int // sides of a tile of the picture and of its results
	G               [][3]float32
	*winogradKernel // the transforms
}

func WinogradF4(k Kernel) WinogradSize { return WinogradSize{6, 4, winoG[:], k.Winograd} }

func WinogradF2(k Kernel) WinogradSize { return WinogradSize{4, 2, wino2G[:], k.Winograd2} }

func (s WinogradSize) String() string { return fmt.Sprintf("Winograd F(%dx%d,3x3)", s.Out, s.Out) }

// All is the number of elements ξ.
func (s WinogradSize) All() int { return s.Tile * s.Tile }

// Sides of the largest tile.
const (
	WinoMaxTile = 6
	WinoMaxOut  = 4
)
