package vec

import "unsafe"

// Row operations; see the methods of Rows.
var portableRows = [...]func(*rowArgs){
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
