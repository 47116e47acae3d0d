package token

import (
	"slices"
	"strconv"
	"strings"
)

// Lost says what of a text Encode does not write to ids of a length: what is cut off
// at the end, and the words (quoted) that the vocabulary has no pieces for.
func (w *WordPiece) Lost(text string, length int) (cut string, unknown []string) {
	words := Words(text)
	room := max(length-2, 0)
	for i, word := range words {
		ids := w.split(word)
		if room -= len(ids); room < 0 {
			return strings.Join(words[i:], " "), unknown
		}
		if q := strconv.Quote(word); len(ids) == 1 && ids[0] == w.ids[Unk] && !slices.Contains(unknown, q) {
			unknown = append(unknown, q)
		}
	}
	return "", unknown
}
