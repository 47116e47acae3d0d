package torch

import (
	"errors"
	"fmt"
)

// maxObjects bounds what one file's pickles make, and what they memoize.
const maxObjects = 4 << 20

var errUnderflow = errors.New("the pickle takes a value from an empty stack; want what torch.save writes")

// machine carries out the instructions of pickles on plain values.
type machine struct {
	in    *source
	stack []any
	marks []int // heights of the stack
	memo  map[uint64]any
	made  int
	// storages are all that the pickles name, in the order of their naming.
	storages []*storage
}

// run reads one pickle.
func (m *machine) run() (any, error) {
	m.stack, m.marks, m.memo = nil, nil, map[uint64]any{}
	for {
		op, err := m.in.uint(1)
		if err != nil {
			return nil, err
		}
		if op == opStop {
			return m.pop()
		}
		do := opcodes[op]
		if do == nil {
			return nil, fmt.Errorf("instruction %#02x at byte %d of the pickle is not one that torch.save writes", op, m.in.used-1)
		}
		if err := do(m); err != nil {
			return nil, err
		}
	}
}

// count counts n more objects.
func (m *machine) count(n int) error {
	if m.made += n; m.made > maxObjects {
		return fmt.Errorf("the pickle makes more than %d objects, the most that are read", maxObjects)
	}
	return nil
}

func (m *machine) push(v any) error {
	m.stack = append(m.stack, v)
	return m.count(1)
}

// floor is the height that values may be taken down to.
func (m *machine) floor() int {
	if n := len(m.marks); n > 0 {
		return m.marks[n-1]
	}
	return 0
}

func (m *machine) top() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errUnderflow
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) pop() (any, error) {
	v, err := m.top()
	if err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v, err
}

// popPair pops two values; the first was pushed first.
func (m *machine) popPair() (first, second any, err error) {
	if second, err = m.pop(); err != nil {
		return nil, nil, err
	}
	first, err = m.pop()
	return first, second, err
}

// popMark takes the values above the last mark, and the mark.
func (m *machine) popMark() ([]any, error) {
	if len(m.marks) == 0 {
		return nil, errors.New("the pickle looks for a mark where none is; want what torch.save writes")
	}
	floor := m.floor()
	items := append([]any(nil), m.stack[floor:]...)
	m.stack = m.stack[:floor]
	m.marks = m.marks[:len(m.marks)-1]
	return items, nil
}

// call is what the pickle wants called or constructed: for a few names the
// value is known, for all others it is an object that nothing is done with.
func (m *machine) call(fn, args any) (any, error) {
	g, ok := fn.(global)
	if !ok {
		switch fn.(type) {
		case opaque, *object: // of something that was not built either
			return opaque{}, nil
		}
	} else if g.kind == kindOpaque {
		return &object{class: g.name}, nil
	}
	a, isTuple := args.(tuple)
	if !ok || !isTuple {
		return nil, fmt.Errorf("the pickle calls %s with %s; want a name and a tuple", kindOf(fn), kindOf(args))
	}
	switch g.kind {
	case kindDict:
		return m.newDict(a)
	case kindTensor:
		return newView(a)
	case kindTypedTensor:
		return newTypedView(a)
	case kindSubclass:
		if len(a) > 2 && a[0] != any(g) {
			return m.call(a[0], a[2])
		}
	case kindSize, kindParameter:
		if len(a) > 0 {
			return a[0], nil
		}
	}
	return nil, fmt.Errorf("the pickle calls %s with %s; want a tensor of a parameter or subclass, and a tuple of a size", g.name, kindOf(args))
}

// newDict makes a dictionary of nothing or, as Python 2 writes it, of a list of
// pairs. The pairs are counted: one list may be used many times.
func (m *machine) newDict(args tuple) (any, error) {
	d := &dict{}
	if len(args) == 0 {
		return d, nil
	}
	l, ok := args[0].(*list)
	if !ok {
		return nil, fmt.Errorf("the pickle makes a dictionary of %s; want a list of pairs", kindOf(args[0]))
	}
	if err := m.count(len(l.items)); err != nil {
		return nil, err
	}
	for _, item := range l.items {
		kv, ok := item.(tuple)
		if inner, isList := item.(*list); isList {
			kv, ok = inner.items, true
		}
		if !ok || len(kv) != 2 {
			return nil, fmt.Errorf("the pickle makes a dictionary of %s; want pairs", kindOf(item))
		}
		d.set(kv[0], kv[1])
	}
	return d, nil
}

// persistent is what a persistent id stands for: a storage or, in the older
// format, a class with its source.
func (m *machine) persistent(id any) (any, error) {
	if t, ok := id.(tuple); ok && len(t) > 1 && t[0] == any("module") {
		return t[1], nil
	}
	s, err := newStorage(id)
	if err != nil {
		return nil, err
	}
	m.storages = append(m.storages, s)
	return s, nil
}
