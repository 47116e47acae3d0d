package fields

import (
	"errors"
	"strings"
	"testing"
)

func read(t *testing.T, text string, strict bool) *Fields {
	t.Helper()
	f, err := JSON(strings.NewReader(text), strict)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestNumbers: what pydantic takes as a whole number is taken, strictly or not.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		text            string
		lenient, strict bool
	}{
		{`20`, true, true}, {`20.0`, true, false}, {`"20"`, true, false}, {`" 20 "`, true, false}, {`2e1`, true, false},
		{`20.5`, false, false}, {`"x"`, false, false}, {`true`, false, false}, {`[20]`, false, false}, {`1e300`, false, false}, {`{}`, false, false},
	} {
		for _, strict := range []bool{false, true} {
			want := c.lenient
			if strict {
				want = c.strict
			}
			f := read(t, `{"n":`+c.text+`}`, strict)
			n := f.Int("n")
			if (n != nil && *n == 20) != want || (f.Err() == nil) != want {
				t.Errorf("%s, strict %v: %v, error %v", c.text, strict, n, f.Err())
			}
		}
	}
	if f := read(t, `{"n":null,"s":null,"b":null,"l":null,"m":null}`, true); f.Int("n") != nil || f.String("s") != nil || f.Bool("b") != nil ||
		f.Strings("l") != nil || f.Map("m") != nil || f.Err() != nil {
		t.Errorf("null is not absent: %v", f.Err())
	}
	if f := read(t, `{"n":9007199254740993}`, true); *f.Int("n") != 9007199254740993 {
		t.Error("a large whole number lost digits")
	}
	if f := Form(map[string][]string{"n": {"2"}, "f": {"0.5"}, "b": {"true"}}); *f.Int("n") != 2 || *f.Float("f") != .5 || !f.True("b") || f.Err() != nil {
		t.Errorf("form: %v", f.Err())
	}
}

func TestUnknownFields(t *testing.T) {
	f := read(t, `{"a":1,"z":2}`, true)
	f.Int("a")
	var e *Error
	if err := f.Err(); !errors.As(err, &e) || e.Field != "z" || !strings.Contains(e.Message, "known are a") {
		t.Errorf("error %v", err)
	}
	f = read(t, `{"a":1,"z":2}`, false)
	f.Int("a")
	if f.Err() != nil {
		t.Error(f.Err())
	}
}

func TestBrokenJSON(t *testing.T) {
	for _, text := range []string{`[1]`, `{"a":`, `{} {}`, `"x"`, `{"a":1}x`} {
		if _, err := JSON(strings.NewReader(text), false); err == nil {
			t.Errorf("%s was read", text)
		}
	}
	if f := read(t, "\xef\xbb\xbf  ", false); f.Has("x") {
		t.Error("a field out of nothing")
	}
}

func FuzzFields(f *testing.F) {
	f.Add(`{"a":1,"b":"x","c":[1],"d":null}`, true)
	f.Fuzz(func(t *testing.T, text string, strict bool) {
		v, err := JSON(strings.NewReader(text), strict)
		if err != nil {
			return
		}
		for name := range v.values {
			v.Int(name)
			v.Float(name)
			v.String(name)
			v.Bool(name)
			v.Strings(name)
			v.Map(name)
		}
		v.Err()
	})
}
