package kernels

import "unsafe"

// wino2G are the rows of G of F(2x2,3x3).
var wino2G = [4][3]float32{{1, 0, 0}, {1. / 2, 1. / 2, 1. / 2}, {1. / 2, -1. / 2, 1. / 2}, {0, 0, 1}}

var winograd2Portable = winogradKernel{
	Input:      wino2InPortable,
	Filter:     wino2FilterPortable,
	Output:     wino2OutPortable,
	Grad:       wino2GradPortable,
	FilterGrad: wino2FilterGradPortable,
	Lanes:      1,
}

// wino2BT is Bᵀ·d for one column.
func wino2BT(d [4]float32) [4]float32 {
	return [4]float32{d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]}
}

// wino2AT is Aᵀ·m for one column.
func wino2AT(m [4]float32) [2]float32 {
	return [2]float32{m[0] + (m[1] + m[2]), m[1] - m[2] - m[3]}
}

// wino2Gg is G·g for one row.
func wino2Gg(g [3]float32) [4]float32 {
	s := g[0] + g[2]
	return [4]float32{g[0], (s + g[1]) / 2, (s - g[1]) / 2, g[2]}
}

// wino2A is A·y for one column.
func wino2A(y [2]float32) [4]float32 { return [4]float32{y[0], y[0] + y[1], y[0] - y[1], -y[1]} }

// wino2GT is Gᵀ·u for one column.
func wino2GT(u [4]float32) [3]float32 {
	s := (u[1] + u[2]) / 2
	return [3]float32{u[0] + s, (u[1] - u[2]) / 2, u[3] + s}
}

func wino2InPortable(a *WinoInArgs) {
	pixels := unsafe.Slice(a.Pixels, 16)
	for c := range a.Channels {
		var rows [4][4]float32
		for j := range 4 {
			var d [4]float32
			for i := range d {
				d[i] = FloatsAt(pixels[i*4+j]+uintptr(c*4), 1)[0]
			}
			for i, v := range wino2BT(d) {
				rows[i][j] = v
			}
		}
		for i, row := range rows {
			for j, v := range wino2BT(row) {
				FloatsAt(a.Dst+uintptr((i*4+j)*a.Stride+c*4), 1)[0] = v
			}
		}
	}
}

func wino2FilterPortable(a *WinoFilterArgs) {
	dst := unsafe.Slice(a.Dst, 4*a.Words)
	for k := range a.Words {
		for j, v := range wino2Gg(a.filterRow(k)) {
			dst[j*a.Words+k] = v
		}
	}
}

func wino2OutPortable(a *WinoOutArgs) {
	results := unsafe.Slice(a.Results, 4)
	for c := range a.Channels {
		var rows [2][4]float32
		for j := range 4 {
			var m [4]float32
			for i := range m {
				m[i] = FloatsAt(a.Src+uintptr((i*4+j)*a.Stride+c*4), 1)[0]
			}
			for i, v := range wino2AT(m) {
				rows[i][j] = v
			}
		}
		for i, row := range rows {
			for j, v := range wino2AT(row) {
				a.put(results[i*2+j], c, v)
			}
		}
	}
}

func wino2GradPortable(a *WinoInArgs) {
	pixels := unsafe.Slice(a.Pixels, 4)
	for c := range a.Channels {
		var rows [4][2]float32
		for j := range 2 {
			y := [2]float32{FloatsAt(pixels[j]+uintptr(c*4), 1)[0], FloatsAt(pixels[2+j]+uintptr(c*4), 1)[0]}
			for i, v := range wino2A(y) {
				rows[i][j] = v
			}
		}
		for i, row := range rows {
			for j, v := range wino2A(row) {
				FloatsAt(a.Dst+uintptr((i*4+j)*a.Stride+c*4), 1)[0] = v
			}
		}
	}
}

func wino2FilterGradPortable(a *WinoFilterArgs) {
	dst := unsafe.Slice(a.Dst, 9*a.Words)
	for k := range a.Words {
		var rows [3][4]float32
		for j := range 4 {
			var u [4]float32
			for i := range u {
				u[i] = *(*float32)(unsafe.Add(unsafe.Pointer(a.Src), (i*4+j)*a.Tap+k*4))
			}
			for i, v := range wino2GT(u) {
				rows[i][j] = v
			}
		}
		for i, row := range rows {
			for j, v := range wino2GT(row) {
				dst[(i*3+j)*a.Words+k] = v
			}
		}
	}
}
