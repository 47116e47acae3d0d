package kernels

import "unsafe"

// winogradKernel are the transforms of one size of tiles in one instruction set.
type winogradKernel struct {
	Input      func(*WinoInArgs)     // Bᵀ d B
	Filter     func(*WinoFilterArgs) // a row of G g Gᵀ
	Output     func(*WinoOutArgs)    // Aᵀ m A
	Grad       func(*WinoInArgs)     // A dY Aᵀ, of [out][out] pixels
	FilterGrad func(*WinoFilterArgs) // Gᵀ u G: [9][words] of [ξ][words], tap being the distance of the ξ
	Lanes      int                   // the numbers of channels must be multiples of it
}

// winoG are the rows of G of F(4x4,3x3).
var winoG = [6][3]float32{
	{1. / 4, 0, 0}, {-1. / 6, -1. / 6, -1. / 6}, {-1. / 6, 1. / 6, -1. / 6},
	{1. / 24, 1. / 12, 1. / 6}, {1. / 24, -1. / 12, 1. / 6}, {0, 0, 1},
}

// WinoInArgs describes Bᵀ d B for all channels of one tile.
type WinoInArgs struct {
	Pixels   *uintptr // 0: [tile][tile] addresses of pixels
	Channels int      // 8
	Dst      uintptr  // 16: of ξ = 0
	Stride   int      // 24: bytes from one ξ to the next
	Tmp      *float32 // 32: [ξ][16]
	Ahead    int      // 40: bytes to what the tile below sees, to be fetched
}

// WinoFilterArgs describes row · g · Gᵀ, a row of the tile for every filter; a panel
// of filters is [9 taps][words].
type WinoFilterArgs struct {
	Src     *float32    // 0
	Tap     int         // 8: bytes from one tap to the next
	Dst     *float32    // 16: [tile][words]
	Row     *[3]float32 // 24: of G
	Words   int         // 32: a multiple of 16
	Flipped int         // 40: the taps run backwards
}

// WinoOutArgs describes Aᵀ m A plus bias for all channels of one tile.
type WinoOutArgs struct {
	Src      uintptr  // 0: of ξ = 0
	Stride   int      // 8: bytes from one ξ to the next
	Channels int      // 16
	Results  *uintptr // 24: [out][out] addresses, 0 where there is no result
	Bias     *float32 // 32: whole vectors of 16
	Add      int      // 40: whether to add what lies delta bytes from the results
	Delta    uintptr  // 48
	Tmp      *float32 // 56: [ξ][16]
	Ahead    int      // 64: bytes to the results of the tile to the right, to be fetched
}

var WinogradPortable = winogradKernel{
	Input:      winoInPortable,
	Filter:     winoFilterPortable,
	Output:     winoOutPortable,
	Grad:       winoGradPortable,
	FilterGrad: winoFilterGradPortable,
	Lanes:      1,
}

// winoBT is Bᵀ·d for one column.
func winoBT(d [6]float32) [6]float32 {
	a, b := d[4]-4*d[2], d[3]-4*d[1]
	e, f := d[4]-d[2], 2*(d[3]-d[1])
	return [6]float32{4*d[0] - 5*d[2] + d[4], a + b, a - b, e + f, e - f, 4*d[1] - 5*d[3] + d[5]}
}

// winoAT is Aᵀ·m for one column.
func winoAT(m [6]float32) [4]float32 {
	s, d, s2, d2 := m[1]+m[2], m[1]-m[2], m[3]+m[4], m[3]-m[4]
	return [4]float32{m[0] + s + s2, d + 2*d2, s + 4*s2, d + 8*d2 + m[5]}
}

func winoInPortable(a *WinoInArgs) {
	pixels := unsafe.Slice(a.Pixels, 36)
	for c := range a.Channels {
		var rows [6][6]float32
		for j := range 6 {
			var d [6]float32
			for i := range 6 {
				d[i] = FloatsAt(pixels[i*6+j]+uintptr(c*4), 1)[0]
			}
			for i, v := range winoBT(d) {
				rows[i][j] = v
			}
		}
		for i, row := range rows {
			for j, v := range winoBT(row) {
				FloatsAt(a.Dst+uintptr((i*6+j)*a.Stride+c*4), 1)[0] = v
			}
		}
	}
}

// filterRow is row · g for filter k.
func (a *WinoFilterArgs) filterRow(k int) (w [3]float32) {
	for i := range 3 {
		for j := range 3 {
			tap := i*3 + j
			if a.Flipped != 0 {
				tap = 8 - tap
			}
			w[j] += a.Row[i] * *(*float32)(unsafe.Add(unsafe.Pointer(a.Src), tap*a.Tap+k*4))
		}
	}
	return w
}

func winoFilterPortable(a *WinoFilterArgs) {
	dst := unsafe.Slice(a.Dst, 6*a.Words)
	for k := range a.Words {
		w := a.filterRow(k)
		for j, g := range winoG {
			dst[j*a.Words+k] = g[0]*w[0] + g[1]*w[1] + g[2]*w[2]
		}
	}
}

// put stores channel c of the result at y, if there is one.
func (a *WinoOutArgs) put(y uintptr, c int, v float32) {
	if y == 0 {
		return
	}
	v += unsafe.Slice(a.Bias, a.Channels)[c]
	if a.Add != 0 {
		v += FloatsAt(y+a.Delta+uintptr(c*4), 1)[0]
	}
	FloatsAt(y+uintptr(c*4), 1)[0] = v
}

func winoOutPortable(a *WinoOutArgs) {
	results := unsafe.Slice(a.Results, 16)
	for c := range a.Channels {
		var rows [4][6]float32
		for j := range 6 {
			var m [6]float32
			for i := range 6 {
				m[i] = FloatsAt(a.Src+uintptr((i*6+j)*a.Stride+c*4), 1)[0]
			}
			for i, v := range winoAT(m) {
				rows[i][j] = v
			}
		}
		for i, row := range rows {
			for j, v := range winoAT(row) {
				a.put(results[i*4+j], c, v)
			}
		}
	}
}

// winoA is A·y for one column.
func winoA(y [4]float32) [6]float32 {
	a, b, c, d := y[0]+y[2], y[1]+y[3], y[0]+4*y[2], 2*y[1]+8*y[3]
	return [6]float32{y[0], a + b, a - b, c + d, c - d, y[3]}
}

func winoGradPortable(a *WinoInArgs) {
	pixels := unsafe.Slice(a.Pixels, 16)
	for c := range a.Channels {
		var rows [6][4]float32
		for j := range 4 {
			var y [4]float32
			for i := range 4 {
				y[i] = FloatsAt(pixels[i*4+j]+uintptr(c*4), 1)[0]
			}
			for i, v := range winoA(y) {
				rows[i][j] = v
			}
		}
		for i, row := range rows {
			for j, v := range winoA(row) {
				FloatsAt(a.Dst+uintptr((i*6+j)*a.Stride+c*4), 1)[0] = v
			}
		}
	}
}

// winoGT is Gᵀ·u for one column.
func winoGT(u [6]float32) (g [3]float32) {
	for i, row := range winoG {
		for j, v := range row {
			g[j] += v * u[i]
		}
	}
	return g
}

func winoFilterGradPortable(a *WinoFilterArgs) {
	dst := unsafe.Slice(a.Dst, 9*a.Words)
	for k := range a.Words {
		var rows [3][6]float32
		for j := range 6 {
			var u [6]float32
			for i := range 6 {
				u[i] = *(*float32)(unsafe.Add(unsafe.Pointer(a.Src), (i*6+j)*a.Tap+k*4))
			}
			for i, v := range winoGT(u) {
				rows[i][j] = v
			}
		}
		for i, row := range rows {
			for j, v := range winoGT(row) {
				dst[(i*3+j)*a.Words+k] = v
			}
		}
	}
}
