package token

import (
	"container/heap"
	"fmt"
	"html"
	"regexp"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// The special pieces of CLIP's vocabulary, in the order they end it.
const (
	StartOfText = "<|startoftext|>"
	EndOfText   = "<|endoftext|>"
)

// wordEnd marks the last piece of a word.
const wordEnd = "</w>"

// firstMerge is the id of the first merged piece: every byte comes before it,
// once inside a word and once at its end.
const firstMerge = 2 * 256

// bpeWord is the reference's pattern. Its flag for upper and lower case matters
// to a lower-cased text in two ways only: ſ counts as s in the literals, and
// U+0345, whose upper case is a letter although it is none, matches nothing.
var bpeWord = regexp.MustCompile(`(?i:<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d)` +
	`|\pL+|\pN|[^ \pL\pN\x{345}]+`)

// BPE is the tokenizer of CLIP's text encoder (Radford et al., arXiv
// 2103.00020; simple_tokenizer.py of github.com/openai/CLIP): byte pair
// encoding (Sennrich et al., arXiv 1508.07909) of the UTF-8 bytes of
// lower-cased words.
//
// HTML entities are resolved twice, the text is brought to Unicode's form NFC
// and every run of white space becomes a space. The other repairs of ftfy, which
// the reference calls first, are not made: wrongly decoded text is left as it
// is, and so are terminal escapes, control characters, curly quotes, ligatures
// such as ﬁ, and full-width and half-width letters. Hugging Face's fast
// CLIPTokenizer makes none of these either. Characters that are newer than Go's
// Unicode tables count as symbols.
type BPE struct {
	// Start and End are the ids of the two special pieces.
	Start, End int32
	// Pad fills up an encoding. It is End at first, as in Hugging Face's
	// tokenizer for openai/clip-vit-large-patch14; OpenAI's clip.tokenize, and
	// with it FrozenCLIPTextEmbedder, fills up with 0.
	Pad int32

	bytes  [256]int32
	merges map[pair]int32 // the id of the merged piece, which is also its rank

	added     map[string][]int32 // words beyond the vocabulary, in lower case
	addedForm *regexp.Regexp
}

// pair is two neighbouring pieces.
type pair struct{ left, right int32 }

// NewBPE reads the merges, two pieces a line, of a bpe_simple_vocab_16e6.txt
// without its first line and without what lies beyond the vocabulary; CLIP uses
// 48894. Each piece must be a byte or the result of an earlier merge, and
// no two merges may make the same piece.
func NewBPE(merges []string) (*BPE, error) {
	b := &BPE{merges: make(map[pair]int32, len(merges))}
	ids := make(map[string]int32, firstMerge+len(merges))
	for i, char := range byteChars(&b.bytes) {
		ids[char] = int32(i)
		ids[char+wordEnd] = int32(i + 256)
	}
	for i, line := range merges {
		parts := strings.Fields(line)
		if len(parts) != 2 {
			return nil, fmt.Errorf("merge %d: %q is not two pieces", i, line)
		}
		left, ok := ids[parts[0]]
		right, ok2 := ids[parts[1]]
		if !ok || !ok2 {
			return nil, fmt.Errorf("merge %d: %q has a piece that is not made before", i, line)
		}
		piece := parts[0] + parts[1]
		if _, twice := ids[piece]; twice {
			return nil, fmt.Errorf("merge %d: %q is there twice", i, piece)
		}
		ids[piece] = int32(firstMerge + i)
		b.merges[pair{left, right}] = ids[piece]
	}
	b.Start = int32(firstMerge + len(merges))
	b.End = b.Start + 1
	b.Pad = b.End
	return b, nil
}

// byteChars lists the characters that stand for bytes in the vocabulary file, in
// the order of their ids, which it sets: first the bytes that are printable in
// Latin-1 and stand for themselves, then the others, shifted out of the way.
func byteChars(ids *[256]int32) []string {
	var chars, shifted []string
	var others []int
	for c := range 256 {
		if c >= '!' && c <= '~' || c >= '¡' && c <= '¬' || c >= '®' {
			ids[c] = int32(len(chars))
			chars = append(chars, string(rune(c)))
			continue
		}
		shifted = append(shifted, string(rune(256+len(others))))
		others = append(others, c)
	}
	for i, c := range others {
		ids[c] = int32(len(chars) + i)
	}
	return append(chars, shifted...)
}

// Size is the number of ids, the special ones among them.
func (b *BPE) Size() int { return int(b.End) + 1 }

// Encode writes <|startoftext|> pieces <|endoftext|> and then padding to ids,
// whose length is the context's, 77 for CLIP. What does not fit is cut off before
// <|endoftext|>.
func (b *BPE) Encode(text string, ids []int32) {
	if len(ids) == 0 {
		return
	}
	pieces := b.Pieces(text)
	pieces = pieces[:min(len(pieces), max(len(ids)-2, 0))]
	for i := range ids {
		ids[i] = b.Pad
	}
	ids[0] = b.Start
	copy(ids[1:], pieces)
	ids[min(1+len(pieces), len(ids)-1)] = b.End
}

// Pieces lists the ids of a text's pieces. As in the reference, the names of the
// special pieces may occur in the text.
func (b *BPE) Pieces(text string) []int32 {
	var ids []int32
	for from, to := b.nextAdded(text); from >= 0; from, to = b.nextAdded(text) {
		ids = append(b.pieces(text[:from], ids), b.added[strings.ToLower(text[from:to])]...)
		text = text[to:]
	}
	return b.pieces(text, ids)
}

// pieces appends those of a text without added words.
func (b *BPE) pieces(text string, ids []int32) []int32 {
	for _, word := range bpeWord.FindAllString(clean(text), -1) {
		switch word {
		case StartOfText:
			ids = append(ids, b.Start)
		case EndOfText:
			ids = append(ids, b.End)
		default:
			ids = b.split(word, ids)
		}
	}
	return ids
}

// clean lower-cases as Python does, a Greek sigma at the end of a word included.
func clean(text string) string {
	text = html.UnescapeString(html.UnescapeString(strings.ToValidUTF8(text, "\ufffd")))
	text = strings.Join(strings.Fields(norm.NFC.String(text)), " ")
	return cases.Lower(language.Und).String(text)
}

// split appends the pieces of a word to ids. The earliest merge of the
// vocabulary is made first, from left to right; since a piece is merged further
// only by later merges, a queue of all possible merges gives the reference's
// result without a search through the word after each.
func (b *BPE) split(word string, ids []int32) []int32 {
	n := len(word)
	pieces := make([]int32, n) // -1 where a piece has gone into the one before
	prev, next := make([]int, n), make([]int, n)
	for i := range n {
		pieces[i], prev[i], next[i] = b.bytes[word[i]], i-1, i+1
	}
	pieces[n-1] += 256 // the byte with wordEnd
	merged := func(i int) (int32, bool) {
		if i < 0 || pieces[i] < 0 || next[i] == n {
			return 0, false
		}
		id, ok := b.merges[pair{pieces[i], pieces[next[i]]}]
		return id, ok
	}
	var q mergeQueue
	for i := range n {
		if id, ok := merged(i); ok {
			q = append(q, merge{id, i})
		}
	}
	heap.Init(&q)
	for len(q) > 0 {
		m := heap.Pop(&q).(merge)
		if id, ok := merged(m.at); !ok || id != m.id {
			continue // one of its pieces has been merged since
		}
		gone := next[m.at]
		pieces[m.at], pieces[gone] = m.id, -1
		next[m.at] = next[gone]
		if next[gone] < n {
			prev[next[gone]] = m.at
		}
		for _, i := range []int{prev[m.at], m.at} {
			if id, ok := merged(i); ok {
				heap.Push(&q, merge{id, i})
			}
		}
	}
	for i := 0; i < n; i = next[i] {
		ids = append(ids, pieces[i])
	}
	return ids
}

// merge is a possible merge of the piece at a byte of a word with the next one.
type merge struct {
	id int32
	at int
}

// mergeQueue is a heap of merges, the earliest of the vocabulary and then the
// leftmost first.
type mergeQueue []merge

func (q mergeQueue) Len() int      { return len(q) }
func (q mergeQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *mergeQueue) Push(m any)   { *q = append(*q, m.(merge)) }

func (q mergeQueue) Less(i, j int) bool {
	return q[i].id < q[j].id || q[i].id == q[j].id && q[i].at < q[j].at
}

func (q *mergeQueue) Pop() any {
	last := len(*q) - 1
	m := (*q)[last]
	*q = (*q)[:last]
	return m
}
