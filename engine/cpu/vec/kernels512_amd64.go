package vec

func exp512(dst, x *float32, n int)
func silu512(dst, x *float32, n int)
func gelu512(dst, x *float32, n int)
func quickGELU512(dst, x *float32, n int)
func relu512(dst, x *float32, n int)
func add512(dst, x, y *float32, n int)
func sub512(dst, x, y *float32, n int)
func mul512(dst, x, y *float32, n int)
func div512(dst, x, y *float32, n int)
func maximum512(dst, x, y *float32, n int)
func siluGrad512(dst, x, y *float32, n int)
func geluGrad512(dst, x, y *float32, n int)
func reluGrad512(dst, x, y *float32, n int)
func geglu512(dst, x, y *float32, n int)
func affine512(dst, x *float32, n int, a, b float32)
func scaledSum512(dst, x, y *float32, n int, a, b float32)
func expSum512(dst, x *float32, n int, shift float32) float32
func max512(x *float32, n int) float32
func sum512(x *float32, n int) float32
func deviation512(x *float32, n int, mean float32) float32
func dot512(x, y *float32, n int) float32
func squaredNorm512(x *float32, n int) float64
func gegluGrad512(dvalue, dgate, value, gate, dy *float32, n int)
func gegluBoth512(value, gate, dy *float32, n int)
func softmaxGrad512(dx, y, dy *float32, n int, delta float32)
func layerNorm512(y, x, gamma, beta *float32, n int, mean, rstd float32)
func layerNormSums512(x, dy, gamma, sum, dot *float32, n int, mean, rstd float32) (m1, m2 float32)
func layerNormGrad512(dx, x, dy, gamma *float32, n int, mean, rstd, m1, m2 float32)
func adamw512(p, m, v, grad *float32, n int, k *float32)
func affineRows512(a *rowArgs)
func affineSiLURows512(a *rowArgs)
func momentsRows512(a *rowArgs)
func sumRows512(a *rowArgs)
func normBackRows512(a *rowArgs)
func normSiLUBackRows512(a *rowArgs)
func combineRows512(a *rowArgs)
func softmax512(a *softmaxArgs)
func softmaxHalves512(a *softmaxArgs)
func softmaxSplit512(a *softmaxArgs)
func softmaxGrads512(a *gradArgs)
func softmaxGradsHalves512(a *gradArgs)
func softmaxGradsSplit512(a *gradArgs)
func scaleRows512(a *scaleArgs)

var kernels512 = kernels{
	unary:         [...]func(dst, x *float32, n int){exp512, silu512, gelu512, quickGELU512, relu512},
	binary:        [...]func(dst, x, y *float32, n int){add512, sub512, mul512, div512, maximum512, siluGrad512, geluGrad512, reluGrad512, geglu512},
	rows:          [...]func(*rowArgs){affineRows512, affineSiLURows512, momentsRows512, sumRows512, normBackRows512, normSiLUBackRows512, combineRows512},
	half:          converters,
	softmax:       [3]func(*softmaxArgs){softmax512},
	softmaxGrads:  [3]func(*gradArgs){softmaxGrads512},
	scaleRows:     scaleRows512,
	affine:        affine512,
	scaledSum:     scaledSum512,
	expSum:        expSum512,
	max:           max512,
	sum:           sum512,
	deviation:     deviation512,
	dot:           dot512,
	squaredNorm:   squaredNorm512,
	gegluGrad:     gegluGrad512,
	gegluBoth:     gegluBoth512,
	softmaxGrad:   softmaxGrad512,
	layerNorm:     layerNorm512,
	layerNormSums: layerNormSums512,
	layerNormGrad: layerNormGrad512,
	adamw:         adamw512,
}
