package prompt

import (
	"strings"
	"testing"

	"github.com/ldm-go/ldm/token"
)

// TestChunks: 75 tokens each; what follows a late comma moves on; BREAK ends a chunk.
func TestChunks(t *testing.T) {
	tok := token.CLIP()
	words := func(n int) string { return strings.TrimSpace(strings.Repeat("cat ", n)) }
	for text, want := range map[string][]int{
		"":                           {0},
		"a cat":                      {2},
		words(75):                    {75},
		words(76):                    {75, 1},
		words(60) + ", " + words(20): {61, 20},
		words(20) + ", " + words(60): {75, 6},
		"a BREAK (a cat:1.5) BREAK":  {1, 2},
		words(200):                   {75, 75, 50},
	} {
		var got []int
		for _, c := range Chunks(tok, text) {
			n := 0
			for c.Tokens[1+n] != tok.End {
				n++
			}
			if got = append(got, n); c.Tokens[0] != tok.Start || c.Tokens[76] != tok.End {
				t.Errorf("%q: %v", text, c.Tokens)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%.40q: chunks of %v, want %v", text, got, want)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%.40q: chunks of %v, want %v", text, got, want)
			}
		}
	}
	c := Chunks(tok, "a (red:1.5) [cat]")[0]
	if c.Weights[0] != 1 || c.Weights[1] != 1 || c.Weights[2] != 1.5 || c.Weights[3] != float32(1/more) || c.Weights[4] != 1 || c.Plain() {
		t.Errorf("weights %v", c.Weights[:6])
	}
}
