package token

import (
	"fmt"
	"testing"
)

func TestBuildVocab(t *testing.T) {
	vocab := BuildVocab([]string{"a red apple", "Red heart"}, 400)
	w, err := NewWordPiece(vocab)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int32, 8)
	w.Encode("A RED pear!", ids)
	var pieces []string
	for _, id := range ids {
		pieces = append(pieces, vocab[id])
	}
	if got := fmt.Sprint(pieces); got != "[[CLS] a red p ##e ##a ##r [SEP]]" {
		t.Error(got)
	}
	w.Encode("", ids)
	if vocab[ids[0]] != Cls || vocab[ids[1]] != Sep || vocab[ids[2]] != Pad {
		t.Error("the empty text", ids)
	}
	if _, err := NewWordPiece([]string{"a"}); err == nil {
		t.Error("a vocabulary without special tokens is accepted")
	}
}

// TestBERT checks encodings of bert-base-uncased.
func TestBERT(t *testing.T) {
	w := BERT()
	if len(w.Vocab) != 30522 {
		t.Error(len(w.Vocab), "pieces")
	}
	for text, want := range map[string][]int32{
		"Hello, world!": {101, 7592, 1010, 2088, 999, 102, 0},
		"":              {101, 102, 0, 0, 0, 0, 0},
	} {
		ids := make([]int32, 7)
		w.Encode(text, ids)
		if fmt.Sprint(ids) != fmt.Sprint(want) {
			t.Errorf("%q: %v, want %v", text, ids, want)
		}
	}
}

func FuzzEncode(f *testing.F) {
	w, err := NewWordPiece(BuildVocab([]string{"a red apple"}, 300))
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Ünïcödé 漢字\x00\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, n := range []int{1, 2, 9} {
			ids := make([]int32, n)
			w.Encode(text, ids)
			for _, id := range ids {
				if id < 0 || int(id) >= len(w.Vocab) {
					t.Fatalf("id %d", id)
				}
			}
		}
	})
}
