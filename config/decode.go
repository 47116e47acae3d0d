package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

var (
	textType   = reflect.TypeFor[encoding.TextUnmarshaler]()
	targetType = reflect.TypeFor[Target]()
)

// decode fills a struct (or a map[string]any) from a mapping. What the mapping
// leaves out stays as it is, and so does what it has null for.
func decode(dst any, m map[string]any, from origin) error {
	if all, ok := dst.(*map[string]any); ok {
		*all = m
		return nil
	}
	return decodeStruct(reflect.ValueOf(dst).Elem(), m, from)
}

func decodeStruct(dst reflect.Value, m map[string]any, from origin) error {
	fields := fieldsOf(dst.Type())
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		f, ok := fields[k]
		if !ok {
			known := make([]string, 0, len(fields))
			for name := range fields {
				known = append(known, name)
			}
			slices.Sort(known)
			return from.errorf(k, "unknown key %s: known here are %s", from.path(k), strings.Join(known, ", "))
		}
		if err := decodeValue(dst.FieldByIndex(f.Index), m[k], from, k); err != nil {
			return err
		}
	}
	if dst.Type() == targetType {
		t := dst.Addr().Interface().(*Target)
		t.from = from.inside("params")
	}
	return nil
}

// decodeValue fills a field from the value of a key.
func decodeValue(dst reflect.Value, v any, from origin, key string) error {
	wrong := func(want string) error {
		return from.errorf(key, "%s is %s: want %s", from.path(key), show(v), want)
	}
	if v == nil {
		return nil
	}
	v = plain(v)
	if u, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(textOf(v, from, key))); err != nil {
			return from.errorf(key, "%s: %w", from.path(key), err)
		}
		return nil
	}
	switch dst.Kind() {
	case reflect.Pointer:
		inner := reflect.New(dst.Type().Elem())
		if err := decodeValue(inner.Elem(), v, from, key); err != nil {
			return err
		}
		dst.Set(inner)
	case reflect.Interface:
		dst.Set(reflect.ValueOf(v))
	case reflect.Struct:
		m, ok := v.(map[string]any)
		if !ok {
			return wrong("a mapping")
		}
		return decodeStruct(dst, m, from.inside(key))
	case reflect.Map:
		m, ok := v.(map[string]any)
		if !ok {
			return wrong("a mapping")
		}
		if dst.Type().Elem().Kind() != reflect.Interface {
			return wrong("no such key") // no configuration has any
		}
		dst.Set(reflect.ValueOf(m))
	case reflect.Slice:
		return decodeSlice(dst, v, from, key)
	case reflect.String:
		switch v.(type) {
		case map[string]any, []any:
			return wrong("a text")
		}
		dst.SetString(textOf(v, from, key))
	case reflect.Bool:
		b, ok := boolean(v)
		if !ok {
			return wrong("true or false")
		}
		dst.SetBool(b)
	default:
		return decodeNumber(dst, v, wrong)
	}
	return nil
}

func decodeSlice(dst reflect.Value, v any, from origin, key string) error {
	list, ok := v.([]any)
	if !ok {
		return from.errorf(key, "%s is %s: want a list, as [a, b]", from.path(key), show(v))
	}
	out := reflect.MakeSlice(dst.Type(), len(list), len(list))
	for i, item := range list {
		if item == nil {
			return from.errorf(key, "%s.%d is empty: want a value", from.path(key), i)
		}
		if err := decodeValue(out.Index(i), item, from.inside(key), strconv.Itoa(i)); err != nil {
			return err
		}
	}
	dst.Set(out)
	return nil
}

func decodeNumber(dst reflect.Value, v any, wrong func(string) error) error {
	f, ok := number(v)
	switch {
	case dst.CanFloat():
		if !ok {
			return wrong("a number")
		}
		dst.SetFloat(f)
	case dst.CanInt():
		n, isInt := integer(v)
		if !isInt || dst.OverflowInt(n) {
			return wrong("a whole number")
		}
		dst.SetInt(n)
	case dst.CanUint():
		if u, isUint := v.(uint64); isUint && !dst.OverflowUint(u) {
			dst.SetUint(u)
			return nil
		}
		n, isInt := integer(v)
		if !isInt || n < 0 || dst.OverflowUint(uint64(n)) {
			return wrong("a whole number of at least 0")
		}
		dst.SetUint(uint64(n))
	default:
		return wrong("no such key")
	}
	return nil
}

// number is a value as a number. What YAML 1.1 calls a number only with a point,
// as 1e-4, comes as a text.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case uint64:
		return float64(v), true
	case int64:
		return float64(v), true
	case string:
		if strings.ContainsAny(v, "xX_pPnN") { // no hexadecimals, infinities and NaNs
			return 0, false
		}
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil
	}
	return 0, false
}

// integer is a value as a whole number, which may be written as 1e5.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case uint64:
		return int64(v), v <= math.MaxInt64
	}
	f, ok := number(v)
	return int64(f), ok && f == math.Trunc(f) && math.Abs(f) < 1<<53
}

// boolean is a value as true or false, as YAML 1.1 writes them too.
func boolean(v any) (b, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		switch strings.ToLower(v) {
		case "yes", "on":
			return true, true
		case "no", "off":
			return false, true
		}
	}
	return false, false
}

// textOf is a scalar as it was written: 007 is a text where one is wanted.
func textOf(v any, from origin, key string) string {
	if s, ok := v.(string); ok {
		return s
	}
	if p, ok := from.places[join(from.prefix, key)]; ok && p.text != "" {
		return p.text
	}
	return fmt.Sprint(v)
}

// plain turns what a program put into arguments into what YAML gives.
func plain(v any) any {
	switch v.(type) {
	case map[string]any, []any, string, bool, int64, uint64, float64:
		return v
	}
	raw, err := yaml.Marshal(v)
	if err == nil {
		var out any
		if err = yaml.Unmarshal(raw, &out); err == nil {
			return out
		}
	}
	return fmt.Sprint(v)
}

// fieldsOf lists a struct's fields by their YAML keys, those of inlined structs
// among them.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if strings.Contains(options, "inline") {
			for k, sub := range fieldsOf(f.Type) {
				sub.Index = append(slices.Clone(f.Index), sub.Index...)
				fields[k] = sub
			}
		} else if name != "" && name != "-" {
			fields[name] = f
		}
	}
	return fields
}
