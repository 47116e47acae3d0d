package vec

// The vectors of arm64; see functions_arm64.h.

func expNEON(dst, x *float32, n int)
func siluNEON(dst, x *float32, n int)
func geluNEON(dst, x *float32, n int)
func quickGELUNEON(dst, x *float32, n int)
func reluNEON(dst, x *float32, n int)
func addNEON(dst, x, y *float32, n int)
func subNEON(dst, x, y *float32, n int)
func mulNEON(dst, x, y *float32, n int)
func divNEON(dst, x, y *float32, n int)
func maximumNEON(dst, x, y *float32, n int)
func siluGradNEON(dst, x, y *float32, n int)
func geluGradNEON(dst, x, y *float32, n int)
func reluGradNEON(dst, x, y *float32, n int)
func gegluNEON(dst, x, y *float32, n int)
func affineNEON(dst, x *float32, n int, a, b float32)
func scaledSumNEON(dst, x, y *float32, n int, a, b float32)
func expSumNEON(dst, x *float32, n int, shift float32) float32
func maxNEON(x *float32, n int) float32
func sumNEON(x *float32, n int) float32
func deviationNEON(x *float32, n int, mean float32) float32
func dotNEON(x, y *float32, n int) float32
func squaredNormNEON(x *float32, n int) float64
func gegluGradNEON(dvalue, dgate, value, gate, dy *float32, n int)
func gegluBothNEON(value, gate, dy *float32, n int)
func softmaxGradNEON(dx, y, dy *float32, n int, delta float32)
func layerNormNEON(y, x, gamma, beta *float32, n int, mean, rstd float32)
func layerNormSumsNEON(x, dy, gamma, sum, dot *float32, n int, mean, rstd float32) (m1, m2 float32)
func layerNormGradNEON(dx, x, dy, gamma *float32, n int, mean, rstd, m1, m2 float32)
func adamwNEON(p, m, v, grad *float32, n int, k *float32)
func affineRowsNEON(a *rowArgs)
func affineSiLURowsNEON(a *rowArgs)
func momentsRowsNEON(a *rowArgs)
func sumRowsNEON(a *rowArgs)
func normBackRowsNEON(a *rowArgs)
func normSiLUBackRowsNEON(a *rowArgs)
func combineRowsNEON(a *rowArgs)

var kernelsNEON = kernels{
	elementKernels: elementKernels{
		unary:       [...]func(dst, x *float32, n int){expNEON, siluNEON, geluNEON, quickGELUNEON, reluNEON},
		binary:      [...]func(dst, x, y *float32, n int){addNEON, subNEON, mulNEON, divNEON, maximumNEON, siluGradNEON, geluGradNEON, reluGradNEON, gegluNEON},
		affine:      affineNEON,
		scaledSum:   scaledSumNEON,
		gegluGrad:   gegluGradNEON,
		gegluBoth:   gegluBothNEON,
		softmaxGrad: softmaxGradNEON,
		adamw:       adamwNEON,
	},
	foldKernels: foldKernels{
		expSum:      expSumNEON,
		max:         maxNEON,
		sum:         sumNEON,
		deviation:   deviationNEON,
		dot:         dotNEON,
		squaredNorm: squaredNormNEON,
	},
	normKernels: normKernels{
		rows:          [...]func(*rowArgs){affineRowsNEON, affineSiLURowsNEON, momentsRowsNEON, sumRowsNEON, normBackRowsNEON, normSiLUBackRowsNEON, combineRowsNEON},
		layerNorm:     layerNormNEON,
		layerNormSums: layerNormSumsNEON,
		layerNormGrad: layerNormGradNEON,
	},
	half: converters,
}
