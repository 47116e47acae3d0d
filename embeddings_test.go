package ldm

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// TestEmbeddings: a learnt word whose vectors are those of known tokens says what they
// say, bit for bit; it may have any name, and is unlearnt.
func TestEmbeddings(t *testing.T) {
	m := clipModel(t)
	said := func(text string) []float32 {
		t.Helper()
		e, err := Prompt(text).Encode(t.Context(), m, 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(e.Context.F32)
	}
	table := weightOf(t, m, "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight")
	twoTokens := tensor.New(2, 32)
	for i, id := range token.CLIP().Pieces("red apple") {
		copy(twoTokens.Row(i).F32, table.Row(int(id)).F32)
	}
	write := func(name, key string, x *tensor.Tensor) string {
		path := filepath.Join(t.TempDir(), name)
		if err := checkpoint.Save(path, map[string]*tensor.Tensor{key: x}, nil, checkpoint.F32); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want, other := said("a (red apple:1.2), of gold"), said("a (fruit-x:1.2), of gold")
	path := write("fruit-x.safetensors", "emb_params", twoTokens)
	names, err := m.SetEmbeddings(path, write("f.safetensors", "<apple>", twoTokens), "third="+path)
	if err != nil || !slices.Equal(names, []string{"fruit-x", "<apple>", "third"}) {
		t.Fatal(names, err)
	}
	for _, text := range []string{"a (fruit-x:1.2), of gold", "a (Fruit-X:1.2), of gold", "a (<apple>:1.2), of gold", "a (third:1.2), of gold"} {
		if !slices.Equal(said(text), want) {
			t.Errorf("%q does not say what its vectors do", text)
		}
	}
	if !slices.Equal(said("a (red apple:1.2), of gold"), want) || slices.Equal(said("a (thirds:1.2), of gold"), want) {
		t.Error("other words have changed")
	}
	if _, err := m.SetEmbeddings(write("wide.safetensors", "emb_params", tensor.New(1, 1024))); !errors.Is(err, ErrInput) ||
		!strings.Contains(err.Error(), "1024 channels (it is made for Stable Diffusion v2): want 32") {
		t.Error(err)
	}
	if _, err := m.SetEmbeddings(path, path); !errors.Is(err, ErrInput) {
		t.Error("one word twice:", err)
	}
	if !slices.Equal(said("a (third:1.2), of gold"), want) {
		t.Error("a refused word takes the others")
	}
	if _, err := m.SetEmbeddings(); err != nil || !slices.Equal(said("a (fruit-x:1.2), of gold"), other) {
		t.Error("the words are not unlearnt", err)
	}
	if _, err := tinyModel(t).SetEmbeddings(path); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}
