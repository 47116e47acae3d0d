// Package token turns texts into the integers that text encoders read.
package token

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// The special tokens of a WordPiece vocabulary.
const (
	Pad  = "[PAD]"
	Unk  = "[UNK]"
	Cls  = "[CLS]"
	Sep  = "[SEP]"
	Mask = "[MASK]"
)

// maxWord is the length in runes beyond which a word is unknown.
const maxWord = 100

// WordPiece is BERT's uncased tokenizer (Devlin et al., arXiv 1810.04805):
// lower-cased words without accents, split greedily into the longest pieces of
// a vocabulary.
type WordPiece struct {
	Vocab []string
	ids   map[string]int32
}

// NewWordPiece checks a vocabulary, one piece a line of BERT's vocab.txt.
func NewWordPiece(vocab []string) (*WordPiece, error) {
	w := &WordPiece{Vocab: vocab, ids: make(map[string]int32, len(vocab))}
	for i, piece := range vocab {
		if _, twice := w.ids[piece]; twice {
			return nil, fmt.Errorf("vocabulary: %q is there twice", piece)
		}
		w.ids[piece] = int32(i)
	}
	for _, special := range []string{Pad, Unk, Cls, Sep} {
		if _, ok := w.ids[special]; !ok {
			return nil, fmt.Errorf("vocabulary of %d pieces has no %s", len(vocab), special)
		}
	}
	return w, nil
}

// Encode writes [CLS] pieces [SEP] [PAD]… to ids, whose length is the context's.
// What does not fit is cut off.
func (w *WordPiece) Encode(text string, ids []int32) {
	if len(ids) == 0 {
		return
	}
	pieces := w.Pieces(text)
	pieces = pieces[:min(len(pieces), max(len(ids)-2, 0))]
	for i := range ids {
		ids[i] = w.ids[Pad]
	}
	ids[0] = w.ids[Cls]
	copy(ids[1:], pieces)
	if len(ids) > 1 {
		ids[1+len(pieces)] = w.ids[Sep]
	}
}

// Pieces lists the ids of a text's pieces, without special tokens.
func (w *WordPiece) Pieces(text string) []int32 {
	var ids []int32
	for _, word := range Words(text) {
		ids = append(ids, w.split(word)...)
	}
	return ids
}

// split takes the longest known piece again and again; later pieces begin with ##.
func (w *WordPiece) split(word string) []int32 {
	runes := []rune(word)
	unknown := []int32{w.ids[Unk]}
	if len(runes) > maxWord {
		return unknown
	}
	var ids []int32
	for start := 0; start < len(runes); {
		end := len(runes)
		for ; end > start; end-- {
			piece := string(runes[start:end])
			if start > 0 {
				piece = "##" + piece
			}
			if id, ok := w.ids[piece]; ok {
				ids = append(ids, id)
				break
			}
		}
		if end == start {
			return unknown
		}
		start = end
	}
	return ids
}

// Words splits a text as BERT does: lower case, accents and control characters
// dropped, every punctuation mark and Chinese character a word of its own.
func Words(text string) []string {
	var words []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	for _, r := range norm.NFD.String(strings.ToLower(text)) {
		switch {
		case r == 0 || r == unicode.ReplacementChar || unicode.Is(unicode.Mn, r):
		case unicode.IsSpace(r):
			flush()
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
		case punctuation(r) || unicode.Is(unicode.Han, r):
			flush()
			words = append(words, string(r))
		default:
			word.WriteRune(r)
		}
	}
	flush()
	return words
}

// punctuation counts all ASCII symbols in, as BERT does.
func punctuation(r rune) bool {
	if r >= 33 && r <= 47 || r >= 58 && r <= 64 || r >= 91 && r <= 96 || r >= 123 && r <= 126 {
		return true
	}
	return unicode.IsPunct(r)
}
