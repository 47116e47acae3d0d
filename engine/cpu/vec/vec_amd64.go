package vec

import "github.com/ldm-go/ldm/engine/cpu/isa"

//go:noescape
func exp512(dst, x *float32, n int)

//go:noescape
func silu512(dst, x *float32, n int)

//go:noescape
func gelu512(dst, x *float32, n int)

//go:noescape
func relu512(dst, x *float32, n int)

//go:noescape
func siluGrad512(dst, x, y *float32, n int)

//go:noescape
func geluGrad512(dst, x, y *float32, n int)

//go:noescape
func reluGrad512(dst, x, y *float32, n int)

//go:noescape
func add512(dst, x, y *float32, n int)

//go:noescape
func sub512(dst, x, y *float32, n int)

//go:noescape
func mul512(dst, x, y *float32, n int)

//go:noescape
func div512(dst, x, y *float32, n int)

//go:noescape
func affine512(dst, x *float32, n int, a, b float32)

//go:noescape
func expSum512(dst, x *float32, n int, shift float32) float32

//go:noescape
func max512(x *float32, n int) float32

//go:noescape
func affineRows512(a *rowArgs)

//go:noescape
func affineSiLURows512(a *rowArgs)

//go:noescape
func momentsRows512(a *rowArgs)

//go:noescape
func sumRows512(a *rowArgs)

//go:noescape
func normBackRows512(a *rowArgs)

//go:noescape
func normSiLUBackRows512(a *rowArgs)

//go:noescape
func combineRows512(a *rowArgs)

//go:noescape
func adamw512(p, m, v, grad *float32, n int, k *float32)

func init() {
	if isa.Current() >= isa.AVX512 {
		unary = [...]func(dst, x *float32, n int){exp512, silu512, gelu512, relu512}
		binary = [...]func(dst, x, y *float32, n int){add512, sub512, mul512, div512, siluGrad512, geluGrad512, reluGrad512}
		rowOps = [...]func(*rowArgs){affineRows512, affineSiLURows512, momentsRows512, sumRows512, normBackRows512, normSiLUBackRows512, combineRows512}
		affine, expSum, largest, adamw = affine512, expSum512, max512, adamw512
	}
}
