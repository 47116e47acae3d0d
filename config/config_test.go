package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type sample struct {
	Model Target `yaml:"model"`
	Train struct {
		Steps int     `yaml:"steps"`
		Rate  float64 `yaml:"rate"`
		Text  string  `yaml:"text"`
	} `yaml:"train"`
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "b.yaml")
	os.WriteFile(a, []byte("model: {target: x.Y, params: {n: 3}}\ntrain: {steps: 1, rate: 2e-4}\n"), 0o644)
	os.WriteFile(b, []byte("train:\n  steps: 5\n"), 0o644)
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
		"train.stepz=3":   "unknown key train.stepz: known here are rate, steps, text",
		"train.steps=abc": "steps",
		"nonsense":        "want key.sub=value",
	} {
		if err := Load(&s, []string{a}, []string{override}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", override, err)
		}
	}
}
