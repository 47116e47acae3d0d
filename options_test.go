package ldm

import (
	"errors"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/tensor"
)

// TestMissingEngine: weights without the engine that loaded them are an error at their
// first use.
func TestMissingEngine(t *testing.T) {
	net := tinyNetwork(t)
	w, err := cpu.New(cpu.Options{}).Load(tinyWeights(t, net), engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := New(net, tinyTarget(t), nil, w, Options{})
	defer m.Close()
	if _, err := m.Generate(t.Context(), Request{Condition: Class(1)}); !errors.Is(err, ErrInput) {
		t.Errorf("error %v", err)
	}
	if _, err := m.FirstStage().Decode(t.Context(), random(1, 1, 4, 4, 4)); !errors.Is(err, ErrInput) {
		t.Errorf("the first stage: error %v", err)
	}
}

// TestShapes: public calls want arrays of the right rank, channels and sizes.
func TestShapes(t *testing.T) {
	m := tinyModel(t)
	ctx := t.Context()
	one, err := Class(1).Encode(ctx, m, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	for _, shape := range []tensor.Shape{{}, {4}, {4, 4, 4}, {1, 4, 4, 3}, {1, 4, 4, 5}, {0, 4, 4, 4}, {1, 0, 4, 4}, {1, 4, 4, 4, 1}} {
		x := tensor.New(shape...)
		for what, call := range map[string]func() error{
			"Predict":  func() error { _, err := m.Predict(ctx, x, 1, []Encoding{one}); return err },
			"Decode":   func() error { _, err := m.stage.Decode(ctx, x); return err },
			"Quantize": func() error { return m.stage.Quantize(ctx, x) },
		} {
			if err := call(); !errors.Is(err, ErrInput) && !errors.Is(err, ErrUnsupported) {
				t.Errorf("%s of %v: error %v", what, shape, err)
			}
		}
	}
	for _, shape := range []tensor.Shape{{}, {16, 16, 3}, {1, 16, 16, 4}, {1, 15, 16, 3}, {1, 16, 17, 3}} {
		x := tensor.New(shape...)
		if _, err := m.stage.Moments(ctx, x); !errors.Is(err, ErrInput) {
			t.Errorf("Moments of %v: error %v", shape, err)
		}
		if _, err := m.stage.Reconstruct(ctx, x); !errors.Is(err, ErrInput) {
			t.Errorf("Reconstruct of %v: error %v", shape, err)
		}
	}
	x := random(1, 1, 4, 4, 4)
	for what, conditions := range map[string][]Encoding{
		"none": nil, "two": {one, one}, "empty": {{}}, "another width": {{Context: tensor.New(1, 31)}}, "a rank more": {{Context: tensor.New(1, 1, 32)}},
		"joined": {{Joined: tensor.New(4, 4, 4)}},
	} {
		if _, err := m.Predict(ctx, x, 1, conditions); !errors.Is(err, ErrInput) {
			t.Errorf("conditions %s: error %v", what, err)
		}
	}
	if _, err := m.Predict(ctx, random(1, 1, 3, 4, 4), 1, []Encoding{one}); !errors.Is(err, ErrInput) {
		t.Errorf("a latent of three rows: error %v", err)
	}
	text := textModel(t, tinyText)
	for _, tokens := range []*tensor.Tensor{tensor.NewInt(), tensor.NewInt(6), tensor.NewInt(1, 7), tensor.NewInt(0, 6), tensor.New(1, 6)} {
		if _, err := text.EncodeTokens(ctx, tokens); !errors.Is(err, ErrInput) {
			t.Errorf("tokens %v: error %v", tokens.Shape, err)
		}
	}
	outside := tensor.NewInt(1, 6)
	outside.I32[2] = 1 << 20
	if _, err := text.EncodeTokens(ctx, outside); !errors.Is(err, ErrInput) {
		t.Errorf("a token that is not in the vocabulary: error %v", err)
	}
}
