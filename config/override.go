package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/ldm-go/ldm/fault"
)

// override sets key.sub=value. What a string is wanted for is taken whole, but
// for quotes around it; all else is YAML, without comments. A number in the key
// is the place in a list.
func (d *document) override(dst any, o string) error {
	key, text, ok := strings.Cut(o, "=")
	if !ok || key == "" {
		return fault.Inputf("override %q: want key.sub=value", o)
	}
	path := strings.Split(key, ".")
	value, err := overriding(typeAt(reflect.TypeOf(dst), path), text)
	if err != nil {
		return fault.Inputf("override %q: %w", o, err)
	}
	if err := set(d.values, path, value); err != nil {
		return fault.Inputf("override %q: %w", o, err)
	}
	d.places[key] = place{where: fmt.Sprintf("override %q", o), text: text}
	return nil
}

// set puts a value at a path, and makes the mappings that are not there.
func set(m map[string]any, path []string, value any) error {
	k := path[0]
	if len(path) == 1 {
		m[k] = value
		return nil
	}
	switch sub := m[k].(type) {
	case map[string]any:
		return set(sub, path[1:], value)
	case []any:
		return setItem(sub, path[1:], value)
	}
	if _, err := strconv.Atoi(path[1]); err == nil {
		return fmt.Errorf("%s is no list in the configuration: give the whole list, as %s=[a, b]", k, k)
	}
	sub := map[string]any{}
	m[k] = sub
	return set(sub, path[1:], value)
}

func setItem(list []any, path []string, value any) error {
	i, err := strconv.Atoi(path[0])
	if err != nil || i < 0 || i >= len(list) {
		return fmt.Errorf("%s: want the number of an entry of the list, 0 to %d", path[0], len(list)-1)
	}
	if len(path) == 1 {
		list[i] = value
		return nil
	}
	switch sub := list[i].(type) {
	case map[string]any:
		return set(sub, path[1:], value)
	case []any:
		return setItem(sub, path[1:], value)
	}
	return fmt.Errorf("entry %d is %s: want a mapping", i, show(list[i]))
}

// typeAt is the type of a struct's field at a path of keys; nil where none is
// known, as in a target's arguments.
func typeAt(t reflect.Type, path []string) reflect.Type {
	for _, k := range path {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		switch t.Kind() {
		case reflect.Struct:
			f, ok := fieldsOf(t)[k]
			if !ok {
				return nil
			}
			t = f.Type
		case reflect.Slice:
			t = t.Elem()
		default:
			return nil
		}
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// wanted names what a type is set to.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// overriding is the value that a text stands for where t is wanted.
func overriding(t reflect.Type, text string) (any, error) {
	if t != nil && (t.Kind() == reflect.String || reflect.PointerTo(t).Implements(textType)) {
		switch {
		case text == "null" || text == "~":
			return nil, nil
		case len(text) > 1 && (text[0] == '"' || text[0] == '\'') && text[len(text)-1] == text[0]:
			var s string
			if err := yaml.Unmarshal([]byte(text), &s); err == nil {
				return s, nil
			}
		}
		return text, nil
	}
	if t != nil && text == "" {
		switch t.Kind() {
		case reflect.Slice, reflect.Map, reflect.Struct, reflect.Interface:
		default:
			return nil, fmt.Errorf("there is no value: want %s", wanted(t))
		}
	}
	if line := tooDeep(text); line > 0 || len(text) > maxText {
		return nil, fmt.Errorf("more than %d lists and mappings in each other, or more than %d bytes", maxDepth, maxText)
	}
	for _, tk := range lexer.Tokenize(text) {
		if tk.Type == token.CommentType { // a value has no comments
			return text, nil
		}
	}
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		if t == nil || t.Kind() == reflect.Interface {
			return text, nil
		}
		return nil, fmt.Errorf("%s is no YAML", strconv.Quote(text))
	}
	budget := maxValues
	return own(v, &budget)
}
