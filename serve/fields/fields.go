// Package fields reads the fields of a request, from JSON or from a form. A
// field that is null is absent. Lenient reading takes numbers as people's
// clients send them (20.0 or "20" for 20) and ignores fields that nobody asks
// for; strict reading refuses both.
package fields

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Error is a field that cannot be taken.
type Error struct {
	Field   string
	Code    string // of OpenAI's interface: invalid_type, invalid_value, ...
	Message string
}

func (e *Error) Error() string { return e.Field + ": " + e.Message }

// Codes of errors.
const (
	Missing      = "missing_required_parameter"
	InvalidType  = "invalid_type"
	InvalidValue = "invalid_value"
	Unsupported  = "unsupported_value"
	InvalidImage = "invalid_image"
	InvalidMask  = "invalid_mask"
	InvalidJSON  = "invalid_json"
	Unknown      = "unknown_parameter"
)

// Fields are those of one request. The first error is kept.
type Fields struct {
	values map[string]any
	strict bool
	asked  map[string]bool
	err    error
}

// JSON reads an object. An empty text is an object without fields.
func JSON(r io.Reader, strict bool) (*Fields, error) {
	f := &Fields{values: map[string]any{}, strict: strict, asked: map[string]bool{}}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimSpace(raw)) == 0 {
		return f, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&f.values); err != nil {
		return nil, &Error{"", InvalidJSON, "the body is not a JSON object: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, &Error{"", InvalidJSON, "there is something behind the JSON object"}
	}
	return f, nil
}

// Form makes fields of the texts of a form. They are read leniently.
func Form(values map[string][]string) *Fields {
	f := &Fields{values: map[string]any{}, asked: map[string]bool{}}
	for name, texts := range values {
		if len(texts) > 0 {
			f.values[name] = texts[0]
		}
	}
	return f
}

// fail keeps the first error.
func (f *Fields) fail(name, code, format string, args ...any) {
	if f.err == nil {
		f.err = &Error{name, code, fmt.Sprintf(format, args...)}
	}
}

// Fail records that a field cannot be taken.
func (f *Fields) Fail(name, code, format string, args ...any) { f.fail(name, code, format, args...) }

// Err is the first error. In strict reading a field that nobody asked for is one.
func (f *Fields) Err() error {
	if f.err != nil || !f.strict {
		return f.err
	}
	var known []string
	for name := range f.asked {
		known = append(known, name)
	}
	slices.Sort(known)
	var names []string
	for name := range f.values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !f.asked[name] {
			f.fail(name, Unknown, "there is no such field; known are %s", strings.Join(known, ", "))
			break
		}
	}
	return f.err
}

// Any is the value of a field as JSON has it, with json.Number; nil if it is absent.
func (f *Fields) Any(name string) any {
	f.asked[name] = true
	return f.values[name]
}

// Has tells whether a field is there and not null.
func (f *Fields) Has(name string) bool { return f.Any(name) != nil }

// String is the text of a field, or nil.
func (f *Fields) String(name string) *string {
	switch v := f.Any(name).(type) {
	case nil:
		return nil
	case string:
		return &v
	case json.Number:
		if !f.strict {
			s := v.String()
			return &s
		}
	}
	f.fail(name, InvalidType, "want a string")
	return nil
}

// Text is the text of a field, or "".
func (f *Fields) Text(name string) string {
	if s := f.String(name); s != nil {
		return *s
	}
	return ""
}

// Float is the number of a field, or nil; it is finite.
func (f *Fields) Float(name string) *float64 {
	var text string
	switch v := f.Any(name).(type) {
	case nil:
		return nil
	case json.Number:
		text = v.String()
	case string:
		if text = strings.TrimSpace(v); text == "" && !f.strict {
			return nil
		}
		if f.strict {
			text = "not a number"
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		f.fail(name, InvalidType, "want a number")
		return nil
	}
	return &n
}

// Int is the whole number of a field, or nil.
func (f *Fields) Int(name string) *int64 {
	if v, ok := f.Any(name).(json.Number); ok {
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return &n
		}
	}
	before := f.err
	n := f.Float(name)
	if f.err != before {
		f.err = &Error{name, InvalidType, "want a whole number"}
	}
	if n == nil {
		return nil
	}
	_, number := f.Any(name).(json.Number)
	if *n != math.Trunc(*n) || math.Abs(*n) > 1<<53 || f.strict && number {
		f.fail(name, InvalidType, "want a whole number")
		return nil
	}
	i := int64(*n)
	return &i
}

// Bool is the truth of a field, or nil.
func (f *Fields) Bool(name string) *bool {
	var b bool
	switch v := f.Any(name).(type) {
	case nil:
		return nil
	case bool:
		return &v
	case json.Number:
		b = v.String() == "1"
		if !f.strict && (b || v.String() == "0") {
			return &b
		}
	case string:
		if b, err := strconv.ParseBool(strings.ToLower(v)); err == nil && !f.strict {
			return &b
		}
	}
	f.fail(name, InvalidType, "want true or false")
	return nil
}

// True tells whether a field is there and true.
func (f *Fields) True(name string) bool {
	b := f.Bool(name)
	return b != nil && *b
}

// Strings is a list of texts; a single text is a list of one unless reading is strict.
func (f *Fields) Strings(name string) []string {
	switch v := f.Any(name).(type) {
	case nil:
		return nil
	case string:
		if !f.strict {
			return []string{v}
		}
	case []any:
		var list []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				f.fail(name, InvalidType, "want a list of strings")
				return nil
			}
			list = append(list, s)
		}
		return list
	}
	f.fail(name, InvalidType, "want a list of strings")
	return nil
}

// Map is an object, or nil.
func (f *Fields) Map(name string) map[string]any {
	switch v := f.Any(name).(type) {
	case nil:
		return nil
	case map[string]any:
		return v
	case []any:
		if len(v) == 0 && !f.strict { // what PHP makes of an empty object
			return nil
		}
	}
	f.fail(name, InvalidType, "want an object")
	return nil
}

// Sub is the fields of an object inside this one; its errors are to be asked for
// by itself.
func (f *Fields) Sub(name string) *Fields {
	return &Fields{values: f.Map(name), strict: f.strict, asked: map[string]bool{}}
}

// List is a list of objects; their errors are to be asked for by Join.
func (f *Fields) List(name string) (list []*Fields) {
	switch v := f.Any(name).(type) {
	case nil:
		return nil
	case []any:
		for _, e := range v {
			values, ok := e.(map[string]any)
			if !ok {
				f.fail(name, InvalidType, "want a list of objects")
				return nil
			}
			list = append(list, &Fields{values: values, strict: f.strict, asked: map[string]bool{}})
		}
		return list
	}
	f.fail(name, InvalidType, "want a list of objects")
	return nil
}

// Join takes over the error of fields inside this one's, under a name before theirs.
func (f *Fields) Join(name string, inner *Fields) {
	var e *Error
	if errors.As(inner.Err(), &e) {
		f.fail(name+e.Field, e.Code, "%s", e.Message)
	}
}

// Floats is a list of numbers, or nil.
func (f *Fields) Floats(name string) []float64 {
	list, ok := f.Any(name).([]any)
	if !ok {
		if f.Has(name) {
			f.fail(name, InvalidType, "want a list of numbers")
		}
		return nil
	}
	out := make([]float64, len(list))
	for i, e := range list {
		n, ok := e.(json.Number)
		v, err := n.Float64()
		if !ok || err != nil {
			f.fail(name, InvalidType, "want a list of numbers")
			return nil
		}
		out[i] = v
	}
	return out
}

// Values are all fields as they came, to be sent back.
func (f *Fields) Values() map[string]any { return f.values }
