package ldm

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/prompt"
	"github.com/ldm-go/ldm/token"
)

// clipModel is the tiny model with a small text tower of CLIP's kind.
func clipModel(t *testing.T) *Model {
	t.Helper()
	net := tinyNetwork(t)
	net.Conditioner.Class, net.Conditioner.CLIP = nil, &conditioner.CLIP{Width: 32, Heads: 4, Layers: 2, Vocab: 49408, MaxLen: 77}
	return inMemory(t, net, tinyTarget(t), token.CLIP(), tinyWeights(t, net))
}

// TestPromptWeights: what the encoder says of each token is weighed, the mean is kept,
// and long texts go on in further chunks.
func TestPromptWeights(t *testing.T) {
	m := clipModel(t)
	context := func(text string) []float32 {
		e, err := Prompt(text).Encode(t.Context(), m, 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		return e.Context.F32
	}
	plain, weighed := context("a red cat"), context("a (red:1.5) cat")
	want, mean := append([]float32{}, plain...), 0.
	for i := range 32 {
		want[2*32+i] *= 1.5
	}
	sum := 0.
	for i, v := range want {
		mean, sum = mean+float64(plain[i]), sum+float64(v)
	}
	for i, v := range want {
		if math.Abs(float64(v)*mean/sum-float64(weighed[i])) > 1e-5 {
			t.Fatalf("value %d is %g, want %g", i, weighed[i], float64(v)*mean/sum)
		}
	}
	if got := context(`a \(red\) cat`); len(got) != 77*32 {
		t.Errorf("%d values", len(got))
	}
	if got := context(strings.Repeat("cat ", 80)); len(got) != 2*77*32 {
		t.Errorf("%d values of a long text, want %d", len(got), 2*77*32)
	}
}

// TestPromptLanguage: AND, [from:to:when] and clip skip reach the pictures.
func TestPromptLanguage(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of computing")
	}
	m := clipModel(t)
	make := func(text string, guidance float64, skip int) []float32 {
		r := Request{Condition: Prompt(text), Seeds: []uint64{3}, Steps: 4, Guidance: guidance, ClipSkip: skip}
		out, err := m.Generate(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return out.Pixels.F32
	}
	apart := func(a, b []float32) float64 {
		most := 0.
		for i, v := range a {
			most = max(most, math.Abs(float64(v-b[i])))
		}
		return most
	}
	a, b := make("red", 2, 0), make("a dog", 2, 0)
	for _, c := range []struct {
		name        string
		left, right []float32
		same        bool
	}{
		{"[red:a dog:1.0]", make("[red:a dog:1.0]", 2, 0), a, true},
		{"[red:a dog:0]", make("[red:a dog:0]", 2, 0), b, true},
		{"[red:a dog:2]", make("[red:a dog:2]", 2, 0), a, false},
		{"[red:a dog:2] and [a dog:red:2]", make("[red:a dog:2]", 2, 0), make("[a dog:red:2]", 2, 0), false},
		{"red AND red", make("red AND red", 2, 0), make("red", 4, 0), true},
		{"halves without guidance", make("red :0.5 AND red:.5", 1, 0), make("red", 1, 0), true},
		{"twice without guidance", make("red AND red", 1, 0), make("red", 2, 0), true},
		{"red AND a dog", make("red AND a dog", 2, 0), a, false},
		{"clip skip 1", make("red", 2, 1), a, true},
		{"clip skip 2", make("red", 2, 2), a, false},
	} {
		if d := apart(c.left, c.right); (d < 1e-4) != c.same {
			t.Errorf("%s: %g apart", c.name, d)
		}
	}
	if _, err := m.Generate(t.Context(), Request{Condition: Prompt("x"), ClipSkip: 3}); !errors.Is(err, fault.Input) {
		t.Errorf("clip skip 3: %v", err)
	}
	if _, err := tinyModel(t).Generate(t.Context(), Request{Condition: Class(1), ClipSkip: 2}); !errors.Is(err, fault.Unsupported) {
		t.Errorf("clip skip without CLIP: %v", err)
	}
}

// TestPromptBatch: pictures of different languages in one batch are those made alone.
func TestPromptBatch(t *testing.T) {
	m := clipModel(t)
	texts := Each{Prompt("red"), Prompt("red AND a dog :-0.5"), Prompt("[a|b] cat"), Prompt(strings.Repeat("cat ", 80))}
	all, err := m.Generate(t.Context(), Request{Condition: texts, Seeds: Seeds(5, 4), Steps: 3})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range texts {
		one, err := m.Generate(t.Context(), Request{Condition: c, Seeds: Seeds(5+uint64(i), 1), Steps: 3})
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range one.Pixels.F32 {
			if all.Pixels.Row(i).F32[k] != v {
				t.Errorf("picture %d differs in a batch", i)
				break
			}
		}
	}
}

// TestRemarks: what a text loses is said, and nothing of one that fits.
func TestRemarks(t *testing.T) {
	m := textModel(t, tinyText) // six tokens
	for text, want := range map[string]string{
		"a red cat":          "",
		"a red cat on a mat": `"a mat" is cut off`,
		"☃ cat":              `"☃"`,
	} {
		got := strings.Join(m.Remarks(text), "; ")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := clipModel(t).Remarks(strings.Repeat("cat ", 200)); got != nil {
		t.Errorf("of a text that goes on in chunks: %q", got)
	}
}

// TestGoldenPrompts holds prompts of AUTOMATIC1111's language against what a program of
// another language makes of them, testdata/prompts/generate.py, down to the context.
func TestGoldenPrompts(t *testing.T) {
	raw, err := os.ReadFile("testdata/prompts/weights.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Prompt   string
		ClipSkip int `json:"clip_skip"`
		Chunks   []struct {
			Tokens     []int32
			Weights    []float64
			Rows       []int
			Values     [][]float64
			MeanSquare float64 `json:"mean_square"`
		}
	}
	if err := json.Unmarshal(raw, &cases); err != nil || len(cases) < 10 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	m := clipModel(t)
	tok, _ := m.clip()
	for _, c := range cases {
		chunks := prompt.Chunks(tok, c.Prompt)
		if len(chunks) != len(c.Chunks) {
			t.Errorf("%q: %d chunks, want %d", c.Prompt, len(chunks), len(c.Chunks))
			continue
		}
		got, err := m.encodeText(t.Context(), c.Prompt, c.ClipSkip)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range c.Chunks {
			if !slices.Equal(chunks[i].Tokens[:], want.Tokens) {
				t.Errorf("%q, chunk %d: tokens %v, want %v", c.Prompt, i, chunks[i].Tokens, want.Tokens)
			}
			for k, w := range want.Weights {
				if math.Abs(float64(chunks[i].Weights[k])-w) > 1e-6 {
					t.Errorf("%q, chunk %d: weight %d is %g, want %g", c.Prompt, i, k, chunks[i].Weights[k], w)
				}
			}
			var square, apart, most float64
			for _, v := range got.F32[i*77*32 : (i+1)*77*32] {
				square += float64(v) * float64(v) / (77 * 32)
			}
			for k, r := range want.Rows {
				for j, w := range want.Values[k] {
					v := float64(got.F32[((i*77+r)*32)+4*j])
					apart, most = max(apart, math.Abs(v-w)), max(most, math.Abs(w))
				}
			}
			if !(apart < 1e-4*most) || !(math.Abs(square/want.MeanSquare-1) < 2e-4) {
				t.Errorf("%q, chunk %d: %g apart, of %g; mean square %g, want %g", c.Prompt, i, apart, most, square, want.MeanSquare)
			}
		}
	}
}
