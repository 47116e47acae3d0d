package torch

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	opProto = 0x80
	opStop  = '.'
	opMark  = '('
	opLong1 = 0x8a
)

// opcodes are the instructions that torch.save writes by any version of Python,
// in the protocols up to 5. Those that would import and call at once (INST,
// OBJ) or look into Python's registry (EXT) are not among them.
var opcodes = [256]func(*machine) error{
	opProto: proto,
	0x95:    func(m *machine) error { return m.in.skip(8) }, // FRAME

	'N':  constant(nil),
	0x88: constant(true),
	0x89: constant(false),
	')':  constant(tuple{}),
	0x8f: constant(opaque{}), // EMPTY_SET
	'}':  func(m *machine) error { return m.push(&dict{}) },
	']':  func(m *machine) error { return m.push(&list{}) },

	'K':     integer(1),
	'M':     integer(2),
	'J':     integer(4),
	opLong1: longInteger(1),
	0x8b:    longInteger(4),
	'I':     text(parseInt),
	'L':     text(func(s string) (any, error) { return parseInt(strings.TrimSuffix(s, "L")) }),
	'F':     text(func(s string) (any, error) { return strconv.ParseFloat(s, 64) }),
	'V':     text(func(s string) (any, error) { return s, nil }), // as escaped, since no key needs escapes
	'G':     binFloat,

	'U': str(1), 'T': str(4), // the strings of Python 2
	0x8c: str(1), 'X': str(4), 0x8d: str(8),
	'C': blob(1), 'B': blob(4), 0x8e: blob(8), 0x96: blob(8),

	opMark: mark,
	'0':    discard,
	'1':    func(m *machine) error { _, err := m.popMark(); return err },
	'2':    dup,
	'q':    put(1), 'r': put(4), 'p': putText, 0x94: memoize,
	'h': get(1), 'j': get(4), 'g': getText,

	0x85: tupleOf(1), 0x86: tupleOf(2), 0x87: tupleOf(3),
	't':  collection(func(items []any) (any, error) { return tuple(items), nil }),
	'l':  collection(func(items []any) (any, error) { return &list{items}, nil }),
	0x91: collection(func([]any) (any, error) { return opaque{}, nil }), // FROZENSET
	'd':  collection(func(items []any) (any, error) { d := &dict{}; return d, setItems(d, items) }),
	'a':  addOne, 'e': addMany, 0x90: addMany, 's': setOne, 'u': setMany,

	'c': globalText, 0x93: globalStack,
	'R': call, 0x81: call, 0x92: callNamed,
	'b': build, 'Q': persist,
}

func proto(m *machine) error {
	v, err := m.in.uint(1)
	if err == nil && v > 5 {
		err = fmt.Errorf("the pickle is of protocol %d; want at most 5", v)
	}
	return err
}

func constant(v any) func(*machine) error {
	return func(m *machine) error { return m.push(v) }
}

func integer(n int) func(*machine) error {
	return func(m *machine) error {
		v, err := m.in.uint(n)
		if err != nil {
			return err
		}
		if n == 4 {
			return m.push(int64(int32(v)))
		}
		return m.push(int64(v))
	}
}

// longInteger reads a length of n bytes and an integer of that many.
func longInteger(n int) func(*machine) error {
	return func(m *machine) error {
		size, err := m.in.uint(n)
		if err != nil {
			return err
		}
		raw, err := m.in.take(size)
		if err != nil {
			return err
		}
		if size > 8 {
			return m.push(long(raw))
		}
		var v uint64
		for i, b := range raw {
			v |= uint64(b) << (8 * i)
		}
		unused := 64 - 8*size // a shift by 64 is 0, as is a number of no bytes
		return m.push(int64(v<<unused) >> unused)
	}
}

func parseInt(s string) (any, error) {
	switch s { // protocol 0 writes its truth values so
	case "00", "01":
		return s == "01", nil
	}
	return strconv.ParseInt(s, 10, 64)
}

func text(parse func(string) (any, error)) func(*machine) error {
	return func(m *machine) error {
		s, err := m.in.line()
		if err != nil {
			return err
		}
		v, err := parse(s)
		if err != nil {
			return fmt.Errorf("the pickle has %s for a number; want decimal digits of at most 64 bits", plain(s))
		}
		return m.push(v)
	}
}

func binFloat(m *machine) error {
	raw, err := m.in.take(8)
	if err != nil {
		return err
	}
	var v uint64
	for _, b := range raw {
		v = v<<8 | uint64(b)
	}
	return m.push(math.Float64frombits(v))
}

func str(n int) func(*machine) error {
	return func(m *machine) error {
		size, err := m.in.uint(n)
		if err != nil {
			return err
		}
		raw, err := m.in.take(size)
		if err != nil {
			return err
		}
		return m.push(string(raw))
	}
}

// blob passes over bytes, which no tensor's description has.
func blob(n int) func(*machine) error {
	return func(m *machine) error {
		size, err := m.in.uint(n)
		if err != nil {
			return err
		}
		if err := m.in.skip(size); err != nil {
			return err
		}
		return m.push(opaque{})
	}
}
