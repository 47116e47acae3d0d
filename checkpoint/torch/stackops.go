package torch

import (
	"fmt"
	"strconv"
)

func mark(m *machine) error {
	m.marks = append(m.marks, len(m.stack))
	return m.count(1)
}

// discard drops the top value or, where there is none, the mark.
func discard(m *machine) error {
	if n := len(m.marks); n > 0 && len(m.stack) == m.marks[n-1] {
		m.marks = m.marks[:n-1]
		return nil
	}
	_, err := m.pop()
	return err
}

func dup(m *machine) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	return m.push(v)
}

// remember memoizes the top value. The memo is a map, since an index may be
// anything.
func (m *machine) remember(index uint64) error {
	v, err := m.top()
	if err != nil {
		return err
	}
	if len(m.memo) >= maxObjects {
		return fmt.Errorf("the pickle memoizes more than %d objects, the most that are read", maxObjects)
	}
	m.memo[index] = v
	return nil
}

func (m *machine) recall(index uint64) error {
	v, ok := m.memo[index]
	if !ok {
		return fmt.Errorf("the pickle recalls object %d, which it did not memoize", index)
	}
	return m.push(v)
}

func memoize(m *machine) error { return m.remember(uint64(len(m.memo))) }

func put(n int) func(*machine) error {
	return func(m *machine) error { return m.atIndex(n, m.remember) }
}

func get(n int) func(*machine) error {
	return func(m *machine) error { return m.atIndex(n, m.recall) }
}

func (m *machine) atIndex(n int, do func(uint64) error) error {
	index, err := m.in.uint(n)
	if err != nil {
		return err
	}
	return do(index)
}

func putText(m *machine) error { return m.atText(m.remember) }
func getText(m *machine) error { return m.atText(m.recall) }

func (m *machine) atText(do func(uint64) error) error {
	s, err := m.in.line()
	if err != nil {
		return err
	}
	index, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return fmt.Errorf("the pickle memoizes at %s; want a number", plain(s))
	}
	return do(index)
}

func tupleOf(n int) func(*machine) error {
	return func(m *machine) error {
		if len(m.stack)-m.floor() < n {
			return errUnderflow
		}
		at := len(m.stack) - n
		t := append(tuple(nil), m.stack[at:]...)
		m.stack = m.stack[:at]
		return m.push(t)
	}
}

// collection makes a value of what lies above the mark.
func collection(of func([]any) (any, error)) func(*machine) error {
	return func(m *machine) error {
		items, err := m.popMark()
		if err != nil {
			return err
		}
		v, err := of(items)
		if err != nil {
			return err
		}
		return m.push(v)
	}
}

func addOne(m *machine) error {
	v, err := m.pop()
	if err != nil {
		return err
	}
	return m.add([]any{v})
}

func addMany(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	return m.add(items)
}

func (m *machine) add(items []any) error {
	to, err := m.top()
	if err != nil {
		return err
	}
	switch to := to.(type) {
	case *list:
		to.items = append(to.items, items...)
	case opaque, *object:
	default:
		return fmt.Errorf("the pickle appends to %s; want a list", kindOf(to))
	}
	return nil
}

func setOne(m *machine) error {
	key, value, err := m.popPair()
	if err != nil {
		return err
	}
	return m.set([]any{key, value})
}

func setMany(m *machine) error {
	items, err := m.popMark()
	if err != nil {
		return err
	}
	return m.set(items)
}

func (m *machine) set(items []any) error {
	to, err := m.top()
	if err != nil {
		return err
	}
	switch to := to.(type) {
	case *dict:
		return setItems(to, items)
	case *object:
		return setItems(&to.dict, items)
	case opaque:
		return nil
	}
	return fmt.Errorf("the pickle sets an entry of %s; want a dictionary", kindOf(to))
}

func setItems(d *dict, items []any) error {
	if len(items)%2 != 0 {
		return fmt.Errorf("the pickle fills a dictionary with %d values; want keys and values", len(items))
	}
	for i := 0; i < len(items); i += 2 {
		d.set(items[i], items[i+1])
	}
	return nil
}

func globalText(m *machine) error {
	module, err := m.in.line()
	if err != nil {
		return err
	}
	name, err := m.in.line()
	if err != nil {
		return err
	}
	return m.pushGlobal(module, name)
}

func globalStack(m *machine) error {
	module, name, err := m.popPair()
	if err != nil {
		return err
	}
	a, ok := module.(string)
	b, also := name.(string)
	if !ok || !also {
		return fmt.Errorf("the pickle names %s of %s; want two strings", kindOf(name), kindOf(module))
	}
	return m.pushGlobal(a, b)
}

func (m *machine) pushGlobal(module, name string) error {
	g, err := lookUp(module, name)
	if err != nil {
		return err
	}
	return m.push(g)
}

func call(m *machine) error {
	fn, args, err := m.popPair()
	if err != nil {
		return err
	}
	v, err := m.call(fn, args)
	if err != nil {
		return err
	}
	return m.push(v)
}

// callNamed has a dictionary of named arguments too, which no known name takes.
func callNamed(m *machine) error {
	if _, err := m.pop(); err != nil {
		return err
	}
	return call(m)
}

// build keeps the state that it would give to an object.
func build(m *machine) error {
	state, err := m.pop()
	if err != nil {
		return err
	}
	to, err := m.top()
	if o, ok := to.(*object); ok {
		o.state = state
	}
	return err
}

func persist(m *machine) error {
	id, err := m.pop()
	if err != nil {
		return err
	}
	s, err := m.persistent(id)
	if err != nil {
		return err
	}
	return m.push(s)
}
