package prompt

import (
	"slices"

	"github.com/ldm-go/ldm/token"
)

// Room is how many tokens of a text CLIP reads at once, between those of its start
// and its end.
const Room = 75

// backtrack is how many tokens after a comma move on together to the next chunk.
const backtrack = 20

// Chunk is what CLIP reads at once: the start, Room tokens, the end and its padding.
type Chunk struct {
	Tokens  [Room + 2]int32
	Weights [Room + 2]float32 // of what the encoder says of each token
}

// Plain tells whether all weights are 1.
func (c *Chunk) Plain() bool {
	return !slices.ContainsFunc(c.Weights[:], func(w float32) bool { return w != 1 })
}

// Chunks turns a text with brackets into as many chunks as it needs, at least one. Where
// one is full, what follows its last comma begins the next, if that is not much.
func Chunks(tok *token.BPE, text string) []Chunk {
	c := chunker{tok: tok, comma: -1}
	comma := tok.Pieces(",")
	for _, p := range Weigh(text) {
		if p.Break {
			c.next()
			continue
		}
		for _, id := range tok.Pieces(p.Text) {
			switch {
			case len(comma) == 1 && id == comma[0]:
				c.comma = len(c.ids)
			case len(c.ids) == Room && c.comma >= 0 && Room-c.comma <= backtrack:
				at := c.comma + 1
				ids, weights := slices.Clone(c.ids[at:]), slices.Clone(c.weights[at:])
				c.ids, c.weights = c.ids[:at], c.weights[:at]
				c.next()
				c.ids, c.weights = ids, weights
			}
			if len(c.ids) == Room {
				c.next()
			}
			c.ids, c.weights = append(c.ids, id), append(c.weights, float32(p.Weight))
		}
	}
	if len(c.ids) > 0 || len(c.chunks) == 0 {
		c.next()
	}
	return c.chunks
}

// chunker is the work of Chunks: what the chunk at hand has, and where its last comma is.
type chunker struct {
	tok     *token.BPE
	chunks  []Chunk
	ids     []int32
	weights []float32
	comma   int
}

func (c *chunker) next() {
	var k Chunk
	for i := range k.Tokens {
		k.Tokens[i], k.Weights[i] = c.tok.Pad, 1
	}
	k.Tokens[0] = c.tok.Start
	copy(k.Tokens[1:], c.ids)
	copy(k.Weights[1:], c.weights)
	k.Tokens[1+len(c.ids)] = c.tok.End
	c.chunks = append(c.chunks, k)
	c.ids, c.weights, c.comma = nil, nil, -1
}
