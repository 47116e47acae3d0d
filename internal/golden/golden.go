// Package golden reads the reference's numbers for tests: cases of a manifest
// and a safetensors file, and weights that are functions of their names.
//
// The smallest telling cases of each family are in the repository, in
// testdata/golden, and are tested in every clone. The whole set is read in
// addition where it is present: in the folder that the environment variable
// LDM_GOLDEN names, by default ../shared/golden of the repository.
package golden

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// Tolerances of a float32 implementation, as errors by RelErr.
const (
	Forward  = 1e-4
	Steps    = 5e-4
	Decoded  = 1e-3
	BFloat16 = 2e-2 // forward passes whose products are of bfloat16
)

// Mode is a way of computing with the tolerance of forward passes that goes
// with it.
type Mode struct {
	Name      string
	Options   engine.Options
	Tolerance float64
}

// Modes are the ways of computing that networks are held to.
var Modes = []Mode{
	{"f32", engine.Options{}, Forward},
	{"exact", engine.Options{Exact: true}, Forward},
	{"bf16", engine.Options{Precision: engine.BF16}, BFloat16},
}

// Case is one manifest.
type Case struct {
	Name        string           `json:"case"`
	Salt        string           `json:"salt"`
	Module      string           `json:"module"`
	Config      string           `json:"config"`
	StateDict   map[string][]int `json:"state_dict"`
	Inputs      map[string]Input `json:"inputs"`
	Sampler     string           `json:"sampler"`
	Steps       any              `json:"S"` // a number, or several
	Eta         any              `json:"eta"`
	Scale       any              `json:"scale"`
	Temperature float64          `json:"temperature"`
	QuantizeX0  bool             `json:"quantize_x0"`
	Outputs     map[string]any   `json:"outputs"`
	Raw         json.RawMessage  `json:"-"`

	file *checkpoint.File
	dir  string
	seen sync.Once
}

// Input describes how an input is made.
type Input struct {
	Kind   string   `json:"kind"`
	Key    string   `json:"key"`
	Values []any    `json:"values"`
	Shape  []int    `json:"shape"`
	Vocab  uint64   `json:"vocab"`
	Scale  *float64 `json:"scale"`
}

// Number is v as JSON had it, or 0 where it was no number.
func Number(v any) float64 {
	f, _ := v.(float64)
	return f
}

// Base is the case's name without its topic.
func (c *Case) Base() string { return filepath.Base(c.Name) }

// Target decodes the case's YAML: the module under test and its arguments.
func (c *Case) Target(t testing.TB) config.Target {
	t.Helper()
	var file struct {
		Model config.Target `yaml:"model"`
	}
	if err := config.Parse(&file, c.Name, []byte(c.Config), nil); err != nil {
		t.Fatal(err)
	}
	return file.Model
}

// CheckParams wants the parameters to be exactly those of the reference, but
// for its losses.
func (c *Case) CheckParams(t testing.TB, params []nn.ParamSpec) {
	t.Helper()
	declared := map[string]bool{}
	for _, p := range params {
		declared[p.Name] = true
		if want := c.StateDict[p.Name]; !p.Shape.Equal(want) {
			t.Errorf("parameter %s is %v, the reference's %v", p.Name, p.Shape, want)
		}
	}
	for name := range c.StateDict {
		if !declared[name] && !strings.HasPrefix(name, "loss.") {
			t.Errorf("parameter %s of the reference is missing", name)
		}
	}
}

// Manifest decodes the manifest, for tests of what it says itself.
func (c *Case) Manifest(t testing.TB, into any) {
	t.Helper()
	c.use(t)
	if err := json.Unmarshal(c.Raw, into); err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
}

// Has tells whether a tensor is stored.
func (c *Case) Has(name string) bool {
	_, ok := c.file.Info(name)
	return ok
}

// Output reads a stored tensor: an output, or "noise/000".
func (c *Case) Output(t testing.TB, name string) *tensor.Tensor {
	t.Helper()
	c.use(t)
	out, err := c.file.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Floats64 reads a stored tensor without rounding it to float32.
func (c *Case) Floats64(t testing.TB, name string) []float64 {
	t.Helper()
	c.use(t)
	out, err := c.file.ReadFloat64(name)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Input reads an input from the file or the manifest's values, or makes it.
func (c *Case) Input(t testing.TB, name string) *tensor.Tensor {
	t.Helper()
	in, ok := c.Inputs[name]
	if !ok {
		t.Fatalf("%s has no input %s", c.Name, name)
	}
	for _, key := range []string{in.Key, "input/" + name, name} {
		if c.Has(key) {
			return c.Output(t, key)
		}
	}
	if in.Kind != "given" {
		out, err := in.generate(c.salt(t))
		if err != nil {
			t.Fatalf("%s: input %s: %v", c.Name, name, err)
		}
		return out
	}
	out := tensor.NewInt(in.Shape...)
	for i, v := range flatten(in.Values) {
		out.I32[i] = int32(Number(v))
	}
	return out
}

// flatten lists the numbers of nested lists.
func flatten(values []any) []any {
	var all []any
	for _, v := range values {
		if list, ok := v.([]any); ok {
			all = append(all, flatten(list)...)
		} else {
			all = append(all, v)
		}
	}
	return all
}

func (c *Case) salt(t testing.TB) uint64 {
	salt, err := strconv.ParseUint(strings.TrimPrefix(c.Salt, "0x"), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return salt
}

// Weights makes the procedural weights of the case's state dict. Families of
// cases share one, beside them. When the test ends, what it no longer refers to
// goes back to the operating system, so that models are in memory one at a time.
func (c *Case) Weights(t testing.TB) map[string]*tensor.Tensor {
	t.Helper()
	t.Cleanup(debug.FreeOSMemory)
	dict := c.StateDict
	if dict == nil {
		family, _, _ := strings.Cut(c.Base(), "-")
		matches, _ := filepath.Glob(filepath.Join(c.dir, family+"*.state_dict.json"))
		for _, path := range matches {
			name := strings.TrimSuffix(filepath.Base(path), ".state_dict.json")
			if !strings.HasPrefix(c.Base(), name) {
				continue
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(raw, &dict); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		}
	}
	if dict == nil {
		t.Fatalf("%s: no state dict", c.Name)
	}
	salt := c.salt(t)
	weights := map[string]*tensor.Tensor{}
	for name, shape := range dict {
		weights[name] = Weight(name, shape, salt)
	}
	return weights
}

// RelErr is max|a-b| / max|b|; +Inf for a NaN or for different lengths.
func RelErr(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var worst, scale float64
	for i, w := range want {
		d := math.Abs(float64(got[i]) - float64(w))
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst, scale = max(worst, d), max(scale, math.Abs(float64(w)))
	}
	return worst / max(scale, 1e-30)
}

// Near wants numbers within a tolerance, by RelErr, and writes down how far they are.
func Near(t testing.TB, what string, got, want []float32, tolerance float64) {
	t.Helper()
	e := RelErr(got, want)
	t.Logf("%s: error %.2g of %g", what, e, tolerance)
	if !(e < tolerance) {
		t.Errorf("%s: error %g, want at most %g", what, e, tolerance)
	}
}

// Numbers reads a list of numbers of the manifest.
func (c *Case) Numbers(key string) []float64 {
	var m map[string]any
	json.Unmarshal(c.Raw, &m)
	list, _ := m[key].([]any)
	out := make([]float64, len(list))
	for i, v := range list {
		out[i] = Number(v)
	}
	return out
}

// Decode reads what the manifest says beside what Case has.
func (c *Case) Decode(t testing.TB, dst any) {
	t.Helper()
	if err := json.Unmarshal(c.Raw, dst); err != nil {
		t.Fatalf("%s: %v", c.Name, err)
	}
}
