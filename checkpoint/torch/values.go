package torch

import (
	"fmt"
	"strconv"
)

// What a pickle makes, besides nil, bool, int64, float64 and string.
type (
	tuple []any
	list  struct{ items []any }
	// dict keeps the entries that have strings or numbers as keys; a later one of
	// the same key comes later.
	dict struct{ pairs []pair }
	pair struct {
		key   string
		value any
	}
	// long holds the bytes of an integer that int64 cannot.
	long string
	// opaque stands for a value that nothing needs.
	opaque struct{}
	// object is what a name that means nothing here would have made, with what
	// the pickle puts into it: its entries, where it is a dictionary, and its
	// attributes. It is never built.
	object struct {
		class string
		dict
		state any
	}
	// storage is a run of numbers in the file, or a part of one.
	storage struct {
		key   string
		dtype string
		count int64 // elements of the whole run
		begin int64 // where the part begins, in elements
		part  int64 // elements of the part
	}
	// view is a tensor as its pickle describes it, unchecked.
	view struct {
		storage *storage
		offset  int64
		size    tuple
		stride  tuple
	}
)

func (d *dict) get(key string) (any, bool) {
	for i := len(d.pairs) - 1; i >= 0; i-- {
		if d.pairs[i].key == key {
			return d.pairs[i].value, true
		}
	}
	return nil, false
}

func (d *dict) set(key, value any) {
	switch k := key.(type) {
	case string:
		d.pairs = append(d.pairs, pair{k, value})
	case int64:
		d.pairs = append(d.pairs, pair{strconv.FormatInt(k, 10), value})
	}
}

// asDict is a dictionary, or an object that was used as one.
func asDict(v any) (*dict, bool) {
	switch v := v.(type) {
	case *dict:
		return v, true
	case *object:
		return &v.dict, len(v.pairs) > 0
	}
	return nil, false
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case bool:
		return fmt.Sprint(v)
	case int64:
		return fmt.Sprintf("the number %d", v)
	case float64:
		return fmt.Sprintf("the number %g", v)
	case long:
		return fmt.Sprintf("an integer of %d bytes", len(v))
	case string:
		return "the string " + plain(v)
	case tuple:
		return fmt.Sprintf("a tuple of %d", len(v))
	case *list:
		return fmt.Sprintf("a list of %d", len(v.items))
	case *dict:
		return "a dictionary"
	case *object:
		return "an object of " + plain(v.class)
	case *storage:
		return "a storage"
	case *view:
		return "a tensor"
	case global:
		return "the name " + plain(v.name)
	}
	return "an object"
}
