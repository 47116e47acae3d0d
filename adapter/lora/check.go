package lora

import (
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// maxRank bounds the inner length of factors, which nothing else does.
const maxRank = 1 << 14

// check compares the tensors of a change with the weight that it is for, before
// any number is read; changes is false if they change no weight.
func (a *Adapter) check(m *module, w tensor.Shape) (changes bool, err error) {
	forms := []struct {
		any   []part
		check func(*module, tensor.Shape) error
	}{
		{[]part{down, up, mid, upBias}, a.checkLoRA},
		{[]part{hadaW1A, hadaW1B, hadaW2A, hadaW2B, hadaT1, hadaT2}, a.checkLoHa},
		{[]part{lokrW1, lokrW1A, lokrW1B, lokrW2, lokrW2A, lokrW2B, lokrT2}, a.checkLoKr},
		{[]part{diff}, a.checkDiff},
	}
	for _, form := range forms {
		if !m.has(form.any...) {
			continue
		}
		if len(w) < 2 && form.any[0] != diff {
			return true, fault.Inputf("%s: %q is a product of matrices for %v, which is no matrix", a.Name(), m.name, w)
		}
		if err := form.check(m, w); err != nil {
			return true, err
		}
		changes = true
	}
	switch {
	case !changes && (m.has(dora) || !m.has(diffBias)):
		return false, fault.Filef("%s: %q has no matrices that change it", a.Name(), m.name)
	case m.has(dora):
		if s := a.shape(m, dora); len(w) < 2 || s.Size() != w[0] && s.Size() != w[1] {
			return true, a.misfit(m, dora, w)
		}
	}
	return changes, nil
}

// has tells whether any of the parts is there.
func (m *module) has(parts ...part) bool {
	for _, p := range parts {
		if m.keys[p] != "" {
			return true
		}
	}
	return false
}

// want wants all of the parts to be there as matrices of a rank that is no
// nonsense.
func (a *Adapter) want(m *module, parts ...part) error {
	for _, p := range parts {
		s := a.shape(m, p)
		switch {
		case s == nil:
			return fault.Filef("%s: %q lacks its %s: the file is not whole", a.Name(), m.name, p)
		case len(s) < 2 || s.Size() == 0 || s[0] > maxRank && s[1:].Size() > maxRank:
			return a.bad(m, p, "is of shape %v: want a matrix", s)
		}
	}
	return nil
}

func (a *Adapter) checkLoRA(m *module, w tensor.Shape) error {
	if err := a.want(m, down, up); err != nil {
		return err
	}
	u, d := a.shape(m, up), a.shape(m, down)
	if !m.has(mid) {
		if !product(u, d, w) {
			if u[0] == w[0] && u[1:].Size() == d[0] {
				return a.misfit(m, down, w)
			}
			return a.misfit(m, up, w)
		}
		return nil
	}
	t := a.shape(m, mid)
	if len(t) < 3 || u[0] != w[0] || u[1:].Size() != t[0] || d[0] != t[1] || d[1:].Size() != w[1] || t[2:].Size() != w[2:].Size() {
		return a.misfit(m, mid, w)
	}
	return nil
}

func (a *Adapter) checkLoHa(m *module, w tensor.Shape) error {
	if err := a.want(m, hadaW1A, hadaW1B, hadaW2A, hadaW2B); err != nil {
		return err
	}
	if m.has(hadaT1, hadaT2) {
		if err := a.want(m, hadaT1, hadaT2); err != nil {
			return err
		}
	}
	for _, f := range []struct{ a, b, t part }{{hadaW1A, hadaW1B, hadaT1}, {hadaW2A, hadaW2B, hadaT2}} {
		rows, columns, err := a.factored(m, f.a, f.b, f.t)
		if err != nil {
			return err
		}
		if rows != w[0] || columns != w[1:].Size() {
			return a.misfit(m, f.b, w)
		}
	}
	return nil
}

func (a *Adapter) checkLoKr(m *module, w tensor.Shape) error {
	r1, c1, err := a.factor(m, lokrW1, lokrW1A, lokrW1B, "")
	if err != nil {
		return err
	}
	r2, c2, err := a.factor(m, lokrW2, lokrW2A, lokrW2B, lokrT2)
	if err != nil {
		return err
	}
	if r1*r2 != w[0] || c1*c2 != w[1:].Size() {
		return fault.Inputf("%s does not fit this model: the factors of %q make %dx%d, for a weight of %v", a.Name(), m.name, r1*r2, c1*c2, w)
	}
	return nil
}

// factor is the size of a factor that is whole or a product.
func (a *Adapter) factor(m *module, whole, left, right, core part) (rows, columns int, err error) {
	if m.has(whole) {
		if err := a.want(m, whole); err != nil {
			return 0, 0, err
		}
		s := a.shape(m, whole)
		return s[0], s[1:].Size(), nil
	}
	if err := a.want(m, left, right); err != nil {
		return 0, 0, err
	}
	return a.factored(m, left, right, core)
}

// factored is the size of the product of two factors, left [rows, r] and right [r,
// columns]; with a core [r, r, kh, kw] between them, left is [r, rows].
func (a *Adapter) factored(m *module, left, right, core part) (rows, columns int, err error) {
	l, r := a.shape(m, left), a.shape(m, right)
	if !m.has(core) {
		if l[1:].Size() != r[0] {
			return 0, 0, a.bad(m, right, "is of shape %v, which does not follow %v", r, l)
		}
		return l[0], r[1:].Size(), nil
	}
	c := a.shape(m, core)
	if len(c) < 3 || c[0] != l[0] || c[1] != r[0] {
		return 0, 0, a.bad(m, core, "is of shape %v, which does not join %v and %v", c, l, r)
	}
	return l[1:].Size(), r[1:].Size() * c[2:].Size(), nil
}

func (a *Adapter) checkDiff(m *module, w tensor.Shape) error {
	if a.shape(m, diff).Size() != w.Size() {
		return a.misfit(m, diff, w)
	}
	return nil
}
