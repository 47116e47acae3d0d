// Package prompt reads the language of prompts that AUTOMATIC1111's program made
// common: (more), (as much as this:1.3), [less], escapes with \, BREAK, texts joined by
// AND, and [from:to:when] and [one|the other], which change on the way.
package prompt

import (
	"regexp"
	"strconv"
)

// Piece is a part of a text whose words weigh the same.
type Piece struct {
	Text   string
	Weight float64
	Break  bool // no text: what follows begins a chunk of tokens of its own
}

// more is what a pair of round brackets multiplies by, and a square one divides by.
const more = 1.1

var (
	attention = regexp.MustCompile(`\\[()\[\]\\]|\\|\(|\[|:\s*([+-]?[.\d]+)\s*\)|\)|\]|[^\\()\[\]:]+|:`)
	chunkEnd  = regexp.MustCompile(`\s*\bBREAK\b\s*`)
)

// Weigh takes a text's brackets apart. A bracket that is not closed reaches to the
// end, and one that was not opened is text.
func Weigh(text string) []Piece {
	var w weigher
	for _, m := range attention.FindAllStringSubmatch(text, -1) {
		w.add(m[0], m[1])
	}
	for _, from := range w.round {
		w.multiply(from, more)
	}
	for _, from := range w.square {
		w.multiply(from, 1/more)
	}
	return w.merged()
}

// weigher is the work of Weigh: the pieces so far, and where brackets that are open
// began.
type weigher struct {
	pieces        []Piece
	round, square []int
}

func (w *weigher) add(text, weight string) {
	factor, err := strconv.ParseFloat(weight, 64)
	switch {
	case text[0] == '\\':
		w.pieces = append(w.pieces, Piece{Text: text[1:], Weight: 1})
	case text == "(":
		w.round = append(w.round, len(w.pieces))
	case text == "[":
		w.square = append(w.square, len(w.pieces))
	case weight != "" && err == nil && len(w.round) > 0:
		w.close(&w.round, factor)
	case text == ")" && len(w.round) > 0:
		w.close(&w.round, more)
	case text == "]" && len(w.square) > 0:
		w.close(&w.square, 1/more)
	default:
		for i, part := range chunkEnd.Split(text, -1) {
			if i > 0 {
				w.pieces = append(w.pieces, Piece{Break: true})
			}
			w.pieces = append(w.pieces, Piece{Text: part, Weight: 1})
		}
	}
}

func (w *weigher) close(open *[]int, factor float64) {
	last := len(*open) - 1
	w.multiply((*open)[last], factor)
	*open = (*open)[:last]
}

func (w *weigher) multiply(from int, factor float64) {
	for i := from; i < len(w.pieces); i++ {
		w.pieces[i].Weight *= factor
	}
}

// merged joins neighbours of one weight, and leaves out what is empty.
func (w *weigher) merged() []Piece {
	var out []Piece
	for _, p := range w.pieces {
		last := len(out) - 1
		switch {
		case p.Break:
			out = append(out, Piece{Break: true})
		case p.Text == "":
		case last >= 0 && !out[last].Break && out[last].Weight == p.Weight:
			out[last].Text += p.Text
		default:
			out = append(out, p)
		}
	}
	return out
}
