package vec

func exp256(dst, x *float32, n int)
func silu256(dst, x *float32, n int)
func gelu256(dst, x *float32, n int)
func quickGELU256(dst, x *float32, n int)
func relu256(dst, x *float32, n int)
func add256(dst, x, y *float32, n int)
func sub256(dst, x, y *float32, n int)
func mul256(dst, x, y *float32, n int)
func div256(dst, x, y *float32, n int)
func maximum256(dst, x, y *float32, n int)
func siluGrad256(dst, x, y *float32, n int)
func geluGrad256(dst, x, y *float32, n int)
func reluGrad256(dst, x, y *float32, n int)
func geglu256(dst, x, y *float32, n int)
func affine256(dst, x *float32, n int, a, b float32)
func scaledSum256(dst, x, y *float32, n int, a, b float32)
func expSum256(dst, x *float32, n int, shift float32) float32
func max256(x *float32, n int) float32
func sum256(x *float32, n int) float32
func deviation256(x *float32, n int, mean float32) float32
func dot256(x, y *float32, n int) float32
func squaredNorm256(x *float32, n int) float64
func gegluGrad256(dvalue, dgate, value, gate, dy *float32, n int)
func gegluBoth256(value, gate, dy *float32, n int)
func softmaxGrad256(dx, y, dy *float32, n int, delta float32)
func layerNorm256(y, x, gamma, beta *float32, n int, mean, rstd float32)
func layerNormSums256(x, dy, gamma, sum, dot *float32, n int, mean, rstd float32) (m1, m2 float32)
func layerNormGrad256(dx, x, dy, gamma *float32, n int, mean, rstd, m1, m2 float32)
func adamw256(p, m, v, grad *float32, n int, k *float32)
func affineRows256(a *rowArgs)
func affineSiLURows256(a *rowArgs)
func momentsRows256(a *rowArgs)
func sumRows256(a *rowArgs)
func normBackRows256(a *rowArgs)
func normSiLUBackRows256(a *rowArgs)
func combineRows256(a *rowArgs)

var kernels256 = kernels{
	unary:         [...]func(dst, x *float32, n int){exp256, silu256, gelu256, quickGELU256, relu256},
	binary:        [...]func(dst, x, y *float32, n int){add256, sub256, mul256, div256, maximum256, siluGrad256, geluGrad256, reluGrad256, geglu256},
	rows:          [...]func(*rowArgs){affineRows256, affineSiLURows256, momentsRows256, sumRows256, normBackRows256, normSiLUBackRows256, combineRows256},
	half:          converters,
	affine:        affine256,
	scaledSum:     scaledSum256,
	expSum:        expSum256,
	max:           max256,
	sum:           sum256,
	deviation:     deviation256,
	dot:           dot256,
	squaredNorm:   squaredNorm256,
	gegluGrad:     gegluGrad256,
	gegluBoth:     gegluBoth256,
	softmaxGrad:   softmaxGrad256,
	layerNorm:     layerNorm256,
	layerNormSums: layerNormSums256,
	layerNormGrad: layerNormGrad256,
	adamw:         adamw256,
}
