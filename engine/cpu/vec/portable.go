package vec

import (
	"math"
	"unsafe"
)

var portableUnary = [...]func(dst, x *float32, n int){
	each1(func(x float64) float64 { return math.Exp(min(max(x, -87), 88)) }),
	each1(func(x float64) float64 { return x * sigmoid(x) }),
	each1(func(x float64) float64 { return x * phi(x) }),
	each1(func(x float64) float64 { return max(x, 0) }),
}

var portableBinary = [...]func(dst, x, y *float32, n int){
	each2(func(x, y float32) float32 { return x + y }),
	each2(func(x, y float32) float32 { return x - y }),
	each2(func(x, y float32) float32 { return x * y }),
	each2(func(x, y float32) float32 { return x / y }),
	each2(func(x, dy float32) float32 { return dy * siluPrime(x) }),
	each2(func(x, dy float32) float32 {
		v := float64(x)
		return dy * float32(phi(v)+v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi))
	}),
	each2(func(x, dy float32) float32 {
		if x > 0 {
			return dy
		}
		return 0
	}),
}

func pow(x, y float64) float64 { return math.Pow(x, y) }
func sqrt(x float64) float64   { return math.Sqrt(x) }

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// phi is the distribution function of N(0, 1).
func phi(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

func siluPrime(x float32) float32 {
	s := sigmoid(float64(x))
	return float32(s * (1 + float64(x)*(1-s)))
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
	var sum float32
	for i, v := range unsafe.Slice(x, n) {
		e := float32(math.Exp(float64(min(max(v-shift, -87), 88))))
		out[i] = e
		sum += e
	}
	return sum
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

// Row operations; see the methods of Rows.
var portableRowOps = [...]func(*rowArgs){
	func(a *rowArgs) {
		v := view(a)
		for i, x := range v.x {
			c := i % a.c
			v.y[i] = (x-v.p2[c])*v.p0[c] + v.p1[c]
		}
	},
	func(a *rowArgs) {
		v := view(a)
		for i, x := range v.x {
			c := i % a.c
			z := float64((x-v.p2[c])*v.p0[c] + v.p1[c])
			v.y[i] = float32(z * sigmoid(z))
		}
	},
	func(a *rowArgs) {
		v := view(a)
		for i, x := range v.x {
			c := i % a.c
			d := x - v.p0[c]
			v.p1[c] += d
			v.p2[c] += d * d
		}
	},
	func(a *rowArgs) {
		v := view(a)
		for i, x := range v.x {
			v.p0[i%a.c] += x
		}
	},
	func(a *rowArgs) {
		v := view(a)
		for i, x := range v.x {
			v.sums(i, i%a.c, x, v.d[i])
		}
	},
	func(a *rowArgs) {
		v := view(a)
		for i, x := range v.x {
			c := i % a.c
			v.sums(i, c, x, v.d[i]*siluPrime((x-v.p3[c])*v.p0[c]+v.p1[c]))
		}
	},
	func(a *rowArgs) {
		v := view(a)
		for i, x := range v.x {
			c := i % a.c
			v.y[i] = v.y[i]*v.p0[c] + (x-v.p3[c])*v.p1[c] + v.p2[c]
		}
	},
}

// rowView is rowArgs as slices; those not given are nil.
type rowView struct{ x, y, d, p0, p1, p2, p3, p4, p5 []float32 }

func view(a *rowArgs) rowView {
	n := a.rows * a.c
	return rowView{
		slice(a.x, n), slice(a.y, n), slice(a.d, n),
		slice(a.p0, a.c), slice(a.p1, a.c), slice(a.p2, a.c), slice(a.p3, a.c), slice(a.p4, a.c), slice(a.p5, a.c),
	}
}

func slice(p *float32, n int) []float32 {
	if p == nil {
		return nil
	}
	return unsafe.Slice(p, n)
}

// sums is the common part of the gradients of normalisations.
func (v *rowView) sums(i, c int, x, dy float32) {
	v.y[i] = dy
	v.p4[c] += dy
	v.p5[c] += dy * (x - v.p3[c]) * v.p2[c]
}
