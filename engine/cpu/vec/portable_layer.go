package vec

import (
	"math"
	"unsafe"
)

func portableGEGLUGrad(dvalue, dgate, value, gate, dy *float32, n int) {
	dv, dg := unsafe.Slice(dvalue, n), unsafe.Slice(dgate, n)
	vs, gs := unsafe.Slice(value, n), unsafe.Slice(gate, n)
	for i, d := range unsafe.Slice(dy, n) {
		v, g := vs[i], gs[i]
		dv[i] = d * float32(float64(g)*phi(float64(g)))
		dg[i] = d * v * geluPrime(g)
	}
}

func portableGEGLUBoth(value, gate, dy *float32, n int) {
	vs, gs := unsafe.Slice(value, n), unsafe.Slice(gate, n)
	for i, d := range unsafe.Slice(dy, n) {
		v, g := vs[i], gs[i]
		gelu := float32(float64(g) * phi(float64(g)))
		vs[i], gs[i] = d*gelu, d*v*geluPrime(g)
		*(*float32)(unsafe.Add(unsafe.Pointer(dy), 4*i)) = v * gelu
	}
}

func portableSoftmaxGrad(dx, y, dy *float32, n int, delta float32) {
	out, ys := unsafe.Slice(dx, n), unsafe.Slice(y, n)
	for i, d := range unsafe.Slice(dy, n) {
		out[i] = ys[i] * (d - delta)
	}
}

func portableLayerNorm(y, x, gamma, beta *float32, n int, mean, rstd float32) {
	out, a, b := unsafe.Slice(y, n), unsafe.Slice(gamma, n), unsafe.Slice(beta, n)
	for i, v := range unsafe.Slice(x, n) {
		out[i] = (v-mean)*rstd*a[i] + b[i]
	}
}

func portableLayerNormSums(x, dy, gamma, sum, dot *float32, n int, mean, rstd float32) (m1, m2 float32) {
	ds, a := unsafe.Slice(dy, n), unsafe.Slice(gamma, n)
	sums, dots := unsafe.Slice(sum, n), unsafe.Slice(dot, n)
	var s1, s2 float64
	for i, v := range unsafe.Slice(x, n) {
		z, d := (v-mean)*rstd, ds[i]
		sums[i] += d
		dots[i] += d * z
		s1 += float64(d * a[i])
		s2 += float64(d*a[i]) * float64(z)
	}
	return float32(s1), float32(s2)
}

func portableLayerNormGrad(dx, x, dy, gamma *float32, n int, mean, rstd, m1, m2 float32) {
	out, xs, a := unsafe.Slice(dx, n), unsafe.Slice(x, n), unsafe.Slice(gamma, n)
	for i, d := range unsafe.Slice(dy, n) {
		out[i] = rstd * (d*a[i] - m1 - (xs[i]-mean)*rstd*m2)
	}
}

func portableAdamW(p, m, v, g *float32, n int, k *float32) {
	c := (*[9]float32)(unsafe.Pointer(k))
	ms, vs, gs := unsafe.Slice(m, n), unsafe.Slice(v, n), unsafe.Slice(g, n)
	ps := unsafe.Slice(p, n)
	for i, w := range ps {
		d := gs[i] * c[0]
		ms[i] = c[1]*ms[i] + c[2]*d
		vs[i] = c[3]*vs[i] + c[4]*d*d
		root := float32(math.Sqrt(float64(vs[i])))
		ps[i] = w*c[5] - c[6]*ms[i]/(root*c[7]+c[8])
	}
}
