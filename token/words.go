package token

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Added is a word beyond the vocabulary, whose tokens are given.
type Added struct {
	Name string
	IDs  []int32
}

// WithWords is the tokenizer with words added, that are read wherever they stand by
// themselves in a text, whatever their case; of two that fit the longer.
func (b *BPE) WithWords(words []Added) *BPE {
	if len(words) == 0 {
		out := *b
		out.added, out.addedForm = nil, nil
		return &out
	}
	sorted := slices.Clone(words)
	slices.SortStableFunc(sorted, func(x, y Added) int { return len(y.Name) - len(x.Name) })
	out := *b
	out.added = map[string][]int32{}
	var forms []string
	for _, w := range sorted {
		out.added[strings.ToLower(w.Name)] = w.IDs
		forms = append(forms, regexp.QuoteMeta(w.Name))
	}
	out.addedForm = regexp.MustCompile("(?i)" + strings.Join(forms, "|"))
	return &out
}

// nextAdded finds the first added word in a text that stands by itself: its place,
// or -1, -1.
func (b *BPE) nextAdded(text string) (from, to int) {
	if b.addedForm == nil {
		return -1, -1
	}
	for at := 0; at < len(text); {
		found := b.addedForm.FindStringIndex(text[at:])
		if found == nil {
			break
		}
		from, to = at+found[0], at+found[1]
		if apart(text, from) && apart(text, to) && b.added[strings.ToLower(text[from:to])] != nil {
			return from, to
		}
		_, n := utf8.DecodeRuneInString(text[from:])
		at = from + n
	}
	return -1, -1
}

// apart tells whether a place in a text is not inside a word.
func apart(text string, at int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:at])
	after, _ := utf8.DecodeRuneInString(text[at:])
	return at == 0 || at == len(text) || !wordRune(before) || !wordRune(after)
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }
