package vec

import (
	"math"
	"unsafe"
)

var portable = kernels{
	elementKernels: elementKernels{
		unary: [...]func(dst, x *float32, n int){
			each1(func(x float64) float64 { return math.Exp(min(max(x, -87), 88)) }),
			each1(func(x float64) float64 { return x * sigmoid(x) }),
			each1(func(x float64) float64 { return x * phi(x) }),
			each1(func(x float64) float64 { return x * sigmoid(1.702*x) }),
			each1(func(x float64) float64 {
				if x < 0 {
					return 0
				}
				return x
			}),
		},
		binary: [...]func(dst, x, y *float32, n int){
			each2(func(x, y float32) float32 { return x + y }),
			each2(func(x, y float32) float32 { return x - y }),
			each2(func(x, y float32) float32 { return x * y }),
			each2(func(x, y float32) float32 { return x / y }),
			each2(func(x, y float32) float32 {
				if y > x || y != y {
					return y
				}
				return x
			}),
			each2(func(x, dy float32) float32 { return dy * siluPrime(x) }),
			each2(func(x, dy float32) float32 { return dy * geluPrime(x) }),
			each2(func(x, dy float32) float32 {
				if x > 0 {
					return dy
				}
				return 0
			}),
			each2(func(v, g float32) float32 { return v * float32(float64(g)*phi(float64(g))) }),
		},
		affine:      portableAffine,
		scaledSum:   portableScaledSum,
		gegluGrad:   portableGEGLUGrad,
		gegluBoth:   portableGEGLUBoth,
		softmaxGrad: portableSoftmaxGrad,
		adamw:       portableAdamW,
	},
	foldKernels: foldKernels{
		expSum:      portableExpSum,
		max:         portableMax,
		sum:         portableSum,
		deviation:   portableDeviation,
		dot:         portableDot,
		squaredNorm: portableSquaredNorm,
	},
	normKernels: normKernels{
		rows:          portableRows,
		layerNorm:     portableLayerNorm,
		layerNormSums: portableLayerNormSums,
		layerNormGrad: portableLayerNormGrad,
	},
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// phi is the distribution function of N(0, 1).
func phi(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

func siluPrime(x float32) float32 {
	s := sigmoid(float64(x))
	return float32(s * (1 + float64(x)*(1-s)))
}

func geluPrime(x float32) float32 {
	v := float64(x)
	return float32(phi(v) + v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi))
}

func each1(f func(float64) float64) func(dst, x *float32, n int) {
	return func(dst, x *float32, n int) {
		out := unsafe.Slice(dst, n)
		for i, v := range unsafe.Slice(x, n) {
			out[i] = float32(f(float64(v)))
		}
	}
}

func each2(f func(x, y float32) float32) func(dst, x, y *float32, n int) {
	return func(dst, x, y *float32, n int) {
		out, b := unsafe.Slice(dst, n), unsafe.Slice(y, n)
		for i, v := range unsafe.Slice(x, n) {
			out[i] = f(v, b[i])
		}
	}
}

func portableAffine(dst, x *float32, n int, a, b float32) {
	out := unsafe.Slice(dst, n)
	for i, v := range unsafe.Slice(x, n) {
		out[i] = a*v + b
	}
}

func portableScaledSum(dst, x, y *float32, n int, a, b float32) {
	out, other := unsafe.Slice(dst, n), unsafe.Slice(y, n)
	for i, v := range unsafe.Slice(x, n) {
		out[i] = a*v + b*other[i]
	}
}

func portableMax(x *float32, n int) float32 {
	top := *x
	for _, v := range unsafe.Slice(x, n) {
		if v > top {
			top = v
		}
	}
	return top
}

func portableExpSum(dst, x *float32, n int, shift float32) float32 {
	out := unsafe.Slice(dst, n)
	var sum float64
	for i, v := range unsafe.Slice(x, n) {
		e := float32(math.Exp(float64(min(max(v-shift, -87), 88))))
		out[i] = e
		sum += float64(e)
	}
	return float32(sum)
}

// Sums are float64 here, so that they can be the measure of those in lanes.

func portableSum(x *float32, n int) float32 {
	var s float64
	for _, v := range unsafe.Slice(x, n) {
		s += float64(v)
	}
	return float32(s)
}

func portableDeviation(x *float32, n int, mean float32) float32 {
	var s float64
	for _, v := range unsafe.Slice(x, n) {
		d := float64(v - mean)
		s += d * d
	}
	return float32(s)
}

func portableDot(x, y *float32, n int) float32 {
	var s float64
	b := unsafe.Slice(y, n)
	for i, v := range unsafe.Slice(x, n) {
		s += float64(v) * float64(b[i])
	}
	return float32(s)
}

func portableSquaredNorm(x *float32, n int) float64 {
	var s float64
	for _, v := range unsafe.Slice(x, n) {
		s += float64(v) * float64(v)
	}
	return s
}
