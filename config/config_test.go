package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/fault"
)

type sample struct {
	Model Target `yaml:"model"`
	Data  struct {
		Train string   `yaml:"train"`
		Texts []string `yaml:"texts"`
		Mult  []int    `yaml:"mult"`
	} `yaml:"data"`
	Train struct {
		Steps int     `yaml:"steps"`
		Rate  float64 `yaml:"rate"`
		Text  string  `yaml:"text"`
		Seed  uint64  `yaml:"seed"`
		Flip  *bool   `yaml:"flip"`
		Any   any     `yaml:"any"`
	} `yaml:"train"`
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad(t *testing.T) {
	a := write(t, "a.yaml", "model: {target: x.Y, params: {n: 3}}\ntrain: {steps: 1, rate: 2e-4}\n")
	b := write(t, "b.yaml", "train:\n  steps: 5\n")
	var s sample
	s.Train.Text = "kept"
	if err := Load(&s, []string{a, b}, []string{"train.rate=0.5", "model.params.n=7"}); err != nil {
		t.Fatal(err)
	}
	var params struct {
		N int `yaml:"n"`
	}
	if err := s.Model.Decode(&params); err != nil {
		t.Fatal(err)
	}
	if s.Train.Steps != 5 || s.Train.Rate != .5 || s.Train.Text != "kept" || params.N != 7 {
		t.Errorf("%+v %+v", s, params)
	}
	for override, want := range map[string]string{
		"train.stepz=3":   "unknown key train.stepz: known here are any, flip, rate, seed, steps, text",
		"train.steps=abc": `train.steps is "abc": want a whole number`,
		"nonsense":        "want key.sub=value",
	} {
		if err := Load(&s, []string{a}, []string{override}); !errors.Is(err, fault.Input) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", override, err)
		}
	}
}

// TestValues: what YAML gives for a kind of field, and what it does not.
func TestValues(t *testing.T) {
	for text, want := range map[string]string{
		"train: {steps: 1e5}":                     "",
		"train: {steps: 2.5}":                     "c.yaml:1: train.steps is 2.5: want a whole number",
		"train:\n  seed: -1":                      "c.yaml:2: train.seed is -1: want a whole number of at least 0",
		"train: {seed: 1.8446744e19}":             "want a whole number",
		"train: {seed: 99999999999999999999}":     "want a whole number",
		"train: {flip: maybe}":                    `train.flip is "maybe": want true or false`,
		"train: {rate: fast}":                     `train.rate is "fast": want a number`,
		"train: {rate: [1]}":                      "train.rate is a list of 1: want a number",
		"data: {mult: 3}":                         "data.mult is 3: want a list, as [a, b]",
		"data:\n  mult:\n  - 1\n  - x":            `c.yaml:4: data.mult.1 is "x": want a whole number`,
		"data: {texts: [a, ]}":                    "",
		"data: {train: [a]}":                      "data.train is a list of 1: want a text",
		"data: x":                                 `data is "x": want a mapping`,
		"train:\n  steps: 1\n\n  # c\n  stepz: 1": "c.yaml:5: unknown key train.stepz",
		"train: 1\ntrain: 2":                      "c.yaml:2: mapping key",
		"train: [":                                "c.yaml:1: ",
		"- 1":                                     "c.yaml:1: want key: value entries",
		"a: 1\n---\nb: 2":                         "c.yaml:3: a second document",
		"# nothing\n":                             "",
		"":                                        "",
		"train: {steps: null}":                    "",
	} {
		var s sample
		err := Parse(&s, "c.yaml", []byte(text), nil)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (!errors.Is(err, fault.Input) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// TestArguments: errors in a target's arguments have lines, too.
func TestArguments(t *testing.T) {
	var s sample
	text := "model:\n  target: x.Y\n  params:\n    n: 1\n    inner:\n      target: x.Z\n      params:\n        m: x\n"
	if err := Parse(&s, "c.yaml", []byte(text), nil); err != nil {
		t.Fatal(err)
	}
	var params struct {
		N     int    `yaml:"n"`
		Inner Target `yaml:"inner"`
	}
	var inner struct {
		M int `yaml:"m"`
	}
	if err := s.Model.Decode(&params); err != nil {
		t.Fatal(err)
	}
	const want = `c.yaml:8: model.params.inner.params.m is "x": want a whole number`
	if err := params.Inner.Decode(&inner); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	var target Target
	if err := s.Model.Inside("inner", &target); err != nil {
		t.Fatal(err)
	}
	if err := target.Decode(&inner); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if err := (Target{Target: "x.Z", Params: map[string]any{"m": []int{1}}}).Decode(&inner); err == nil || !strings.HasPrefix(err.Error(), "x.Z: m is a list of 1") {
		t.Errorf("error %v", err)
	}
}

// TestMarks: files of other systems.
func TestMarks(t *testing.T) {
	for name, text := range map[string]string{
		"mark": "\xef\xbb\xbftrain:\n  steps: 7\n  text: a b\n", "CRLF": "train:\r\n  steps: 7\r\n  text: a b\r\n",
		"both":   "\xef\xbb\xbftrain:\r\n  steps: 7\r\n  text: \"a b\"\r\n",
		"UTF-16": "\xff\xfet\x00r\x00a\x00i\x00n\x00:\x00{\x00s\x00t\x00e\x00p\x00s\x00:\x00 \x007\x00,\x00t\x00e\x00x\x00t\x00:\x00 \x00a\x00 \x00b\x00}\x00",
	} {
		var s sample
		if name == "UTF-16" {
			text = strings.Replace(text, ":\x00{", ":\x00 \x00{", 1)
		}
		if err := Parse(&s, "c.yaml", []byte(text), nil); err != nil || s.Train.Steps != 7 || s.Train.Text != "a b" {
			t.Errorf("%s: %+v, %v", name, s.Train, err)
		}
		broken := strings.Replace(text, "7", "x", 1)
		if err := Parse(&s, "c.yaml", []byte(broken), nil); name != "UTF-16" && (err == nil || !strings.HasPrefix(err.Error(), "c.yaml:2: ")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOverrides: values are taken whole.
func TestOverrides(t *testing.T) {
	const base = "model: {target: x, params: {mult: [1, 2], s: a}}\ndata: {texts: [a, b], mult: [1, 2, 4]}\n"
	for _, c := range []struct {
		override string
		got      func(s sample) any
		want     any
	}{
		{"data.train=pictures #1", func(s sample) any { return s.Data.Train }, "pictures #1"},
		{"data.train=a: b", func(s sample) any { return s.Data.Train }, "a: b"},
		{"data.train=[x]", func(s sample) any { return s.Data.Train }, "[x]"},
		{"data.train=*.png", func(s sample) any { return s.Data.Train }, "*.png"},
		{"data.train=&x", func(s sample) any { return s.Data.Train }, "&x"},
		{"data.train=007", func(s sample) any { return s.Data.Train }, "007"},
		{"data.train=yes", func(s sample) any { return s.Data.Train }, "yes"},
		{"data.train=C:\\new\\pictures", func(s sample) any { return s.Data.Train }, "C:\\new\\pictures"},
		{"data.train=a=b", func(s sample) any { return s.Data.Train }, "a=b"},
		{"data.train=", func(s sample) any { return s.Data.Train }, ""},
		{"data.train=\"a\\tb\"", func(s sample) any { return s.Data.Train }, "a\tb"},
		{"data.train=it's", func(s sample) any { return s.Data.Train }, "it's"},
		{"data.train=null", func(s sample) any { return s.Data.Train }, ""},
		{"data.texts=[c #1, d]", func(s sample) any { return s.Data.Texts[0] }, nil},
		{"data.texts.1=c #1", func(s sample) any { return strings.Join(s.Data.Texts, "|") }, "a|c #1"},
		{"data.mult=[1, 3]", func(s sample) any { return len(s.Data.Mult) }, 2},
		{"data.mult.2=8", func(s sample) any { return s.Data.Mult[2] }, 8},
		{"data.mult.3=8", nil, "want the number of an entry of the list, 0 to 2"},
		{"data.mult.x=8", nil, "want the number of an entry"},
		{"data.train.0=8", nil, "is no list in the configuration"},
		{"train.steps=3 # three", nil, "want a whole number"},
		{"train.any=a #1", func(s sample) any { return s.Train.Any }, "a #1"},
		{"train.any={a: 1}", func(s sample) any { return len(s.Train.Any.(map[string]any)) }, 1},
		{"model.params.s=a #1", func(s sample) any { return s.Model.Params["s"] }, "a #1"},
		{"model.params.mult.1=3", func(s sample) any { return s.Model.Params["mult"].([]any)[1] }, uint64(3)},
		{"model.params.new.key=3", func(s sample) any { return s.Model.Params["new"].(map[string]any)["key"] }, uint64(3)},
	} {
		var s sample
		err := Parse(&s, "c.yaml", []byte(base), []string{c.override})
		if c.got == nil || c.want == nil {
			want, _ := c.want.(string)
			if !errors.Is(err, fault.Input) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "override") {
				t.Errorf("%s: error %v, want %q", c.override, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.override, err)
		} else if got := c.got(s); got != c.want {
			t.Errorf("%s: %#v, want %#v", c.override, got, c.want)
		}
	}
}

// TestAliases: what anchors share is not shared by changes, and does not explode.
func TestAliases(t *testing.T) {
	var s struct {
		A, B map[string]any `yaml:"-"`
		AA   map[string]any `yaml:"a"`
		BB   map[string]any `yaml:"b"`
	}
	if err := Parse(&s, "c.yaml", []byte("a: &x {n: 1}\nb: *x\n"), []string{"b.n=2"}); err != nil || s.AA["n"] != uint64(1) || s.BB["n"] != uint64(2) {
		t.Errorf("%v, %v", s, err)
	}
	var b strings.Builder
	b.WriteString("a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n")
	for _, i := range []string{"01", "12", "23", "34", "45", "56", "67", "78"} {
		b.WriteString("a" + i[1:] + ": &a" + i[1:] + " [" + strings.Repeat("*a"+i[:1]+", ", 9) + "*a" + i[:1] + "]\n")
	}
	var all map[string]any
	if err := Parse(&all, "c.yaml", []byte(b.String()), nil); err == nil || !strings.Contains(err.Error(), "more than 1048576 values") {
		t.Errorf("error %v", err)
	}
	for _, deep := range []string{strings.Repeat("[", 1e6), strings.Repeat("- ", 1e6), strings.Repeat("{a: ", 1e5), strings.Repeat("&a ", 1e5)} {
		if err := Parse(&all, "c.yaml", []byte("a: "+deep), nil); err == nil || !strings.Contains(err.Error(), "in each other") {
			t.Errorf("error %.100v", err)
		}
	}
}

func TestWithout(t *testing.T) {
	a := Target{Params: map[string]any{"x": 1, "y": 2}}
	b, had := a.Without("y", "z")
	if len(a.Params) != 2 || len(b.Params) != 1 || !slices.Equal(had, []string{"y"}) {
		t.Errorf("%v, %v, %v", a, b, had)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("train: {steps: 1}\n", "train.steps=3")
	f.Add("a: &x {n: 1}\nb: *x\n<<: *x\n", "data.mult.1=[1, {a: b}]")
	f.Add("\xff\xfea\x00", "data.train=\"\\x\"")
	f.Add("? [a]\n: !!binary x\n", "a..b=!!int x")
	f.Fuzz(func(t *testing.T, text, override string) {
		var s sample
		err := Parse(&s, "fuzz", []byte(text), []string{override})
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than a line: %q", err)
		}
		var all map[string]any
		if err == nil && Parse(&all, "fuzz", []byte(text), []string{override}) == nil {
			if _, err := Dump(all); err != nil {
				t.Errorf("%v: %v", all, err)
			}
		}
	})
}
