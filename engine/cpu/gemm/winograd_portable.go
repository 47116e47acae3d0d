package gemm

import "unsafe"

// winogradKernel are the transforms of one size of tiles in one instruction set.
type winogradKernel struct {
	input      func(*winoInArgs)     // Bᵀ d B
	filter     func(*winoFilterArgs) // a row of G g Gᵀ
	output     func(*winoOutArgs)    // Aᵀ m A
	grad       func(*winoInArgs)     // A dY Aᵀ, of [out][out] pixels
	filterGrad func(*winoFilterArgs) // Gᵀ u G: [9][words] of [ξ][words], tap being the distance of the ξ
	lanes      int                   // the numbers of channels must be multiples of it
}

// winoG are the rows of G of F(4x4,3x3).
var winoG = [6][3]float32{
	{1. / 4, 0, 0}, {-1. / 6, -1. / 6, -1. / 6}, {-1. / 6, 1. / 6, -1. / 6},
	{1. / 24, 1. / 12, 1. / 6}, {1. / 24, -1. / 12, 1. / 6}, {0, 0, 1},
}

// winoInArgs describes Bᵀ d B for all channels of one tile.
type winoInArgs struct {
	pixels   *uintptr // 0: [tile][tile] addresses of pixels
	channels int      // 8
	dst      uintptr  // 16: of ξ = 0
	stride   int      // 24: bytes from one ξ to the next
	tmp      *float32 // 32: [ξ][16]
	ahead    int      // 40: bytes to what the tile below sees, to be fetched
}

// winoFilterArgs describes row · g · Gᵀ, a row of the tile for every filter; a panel
// of filters is [9 taps][words].
type winoFilterArgs struct {
	src     *float32    // 0
	tap     int         // 8: bytes from one tap to the next
	dst     *float32    // 16: [tile][words]
	row     *[3]float32 // 24: of G
	words   int         // 32: a multiple of 16
	flipped int         // 40: the taps run backwards
}

// winoOutArgs describes Aᵀ m A plus bias for all channels of one tile.
type winoOutArgs struct {
	src      uintptr  // 0: of ξ = 0
	stride   int      // 8: bytes from one ξ to the next
	channels int      // 16
	results  *uintptr // 24: [out][out] addresses, 0 where there is no result
	bias     *float32 // 32: whole vectors of 16
	add      int      // 40: whether to add what lies delta bytes from the results
	delta    uintptr  // 48
	tmp      *float32 // 56: [ξ][16]
	ahead    int      // 64: bytes to the results of the tile to the right, to be fetched
}

var winogradPortable = winogradKernel{winoInPortable, winoFilterPortable, winoOutPortable, winoGradPortable, winoFilterGradPortable, 1}

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

func winoInPortable(a *winoInArgs) {
	pixels := unsafe.Slice(a.pixels, 36)
	for c := range a.channels {
		var rows [6][6]float32
		for j := range 6 {
			var d [6]float32
			for i := range 6 {
				d[i] = floatsAt(pixels[i*6+j]+uintptr(c*4), 1)[0]
			}
			for i, v := range winoBT(d) {
				rows[i][j] = v
			}
		}
		for i, row := range rows {
			for j, v := range winoBT(row) {
				floatsAt(a.dst+uintptr((i*6+j)*a.stride+c*4), 1)[0] = v
			}
		}
	}
}

// filterRow is row · g for filter k.
func (a *winoFilterArgs) filterRow(k int) (w [3]float32) {
	for i := range 3 {
		for j := range 3 {
			tap := i*3 + j
			if a.flipped != 0 {
				tap = 8 - tap
			}
			w[j] += a.row[i] * *(*float32)(unsafe.Add(unsafe.Pointer(a.src), tap*a.tap+k*4))
		}
	}
	return w
}

func winoFilterPortable(a *winoFilterArgs) {
	dst := unsafe.Slice(a.dst, 6*a.words)
	for k := range a.words {
		w := a.filterRow(k)
		for j, g := range winoG {
			dst[j*a.words+k] = g[0]*w[0] + g[1]*w[1] + g[2]*w[2]
		}
	}
}

// put stores channel c of the result at y, if there is one.
func (a *winoOutArgs) put(y uintptr, c int, v float32) {
	if y == 0 {
		return
	}
	v += unsafe.Slice(a.bias, a.channels)[c]
	if a.add != 0 {
		v += floatsAt(y+a.delta+uintptr(c*4), 1)[0]
	}
	floatsAt(y+uintptr(c*4), 1)[0] = v
}

func winoOutPortable(a *winoOutArgs) {
	results := unsafe.Slice(a.results, 16)
	for c := range a.channels {
		var rows [4][6]float32
		for j := range 6 {
			var m [6]float32
			for i := range 6 {
				m[i] = floatsAt(a.src+uintptr((i*6+j)*a.stride+c*4), 1)[0]
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

func winoGradPortable(a *winoInArgs) {
	pixels := unsafe.Slice(a.pixels, 16)
	for c := range a.channels {
		var rows [6][4]float32
		for j := range 4 {
			var y [4]float32
			for i := range 4 {
				y[i] = floatsAt(pixels[i*4+j]+uintptr(c*4), 1)[0]
			}
			for i, v := range winoA(y) {
				rows[i][j] = v
			}
		}
		for i, row := range rows {
			for j, v := range winoA(row) {
				floatsAt(a.dst+uintptr((i*6+j)*a.stride+c*4), 1)[0] = v
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

func winoFilterGradPortable(a *winoFilterArgs) {
	dst := unsafe.Slice(a.dst, 9*a.words)
	for k := range a.words {
		var rows [3][6]float32
		for j := range 6 {
			var u [6]float32
			for i := range 6 {
				u[i] = *(*float32)(unsafe.Add(unsafe.Pointer(a.src), (i*6+j)*a.tap+k*4))
			}
			for i, v := range winoGT(u) {
				rows[i][j] = v
			}
		}
		for i, row := range rows {
			for j, v := range winoGT(row) {
				dst[(i*3+j)*a.words+k] = v
			}
		}
	}
}
