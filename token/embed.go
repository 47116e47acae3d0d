package token

import (
	"bufio"
	"compress/gzip"
	_ "embed"
	"strings"
	"sync"
)

// The standard vocabularies; NOTICE says where they come from.
var (
	//go:embed clip-bpe.txt.gz
	clipMerges string
	//go:embed bert-vocab.txt.gz
	bertVocab string
)

// clipSize is the number of merges that CLIP takes from its file, whose first
// line is a comment: 49152 pieces were planned, the bytes inside a word and the
// special pieces among them.
const clipSize = 49152 - 256 - 2

var clip = sync.OnceValue(func() *BPE {
	b, err := NewBPE(lines(clipMerges, 1+clipSize)[1:])
	if err != nil {
		panic(err) // the embedded file is tested
	}
	return b
})

var bert = sync.OnceValue(func() *WordPiece {
	w, err := NewWordPiece(lines(bertVocab, -1))
	if err != nil {
		panic(err)
	}
	return w
})

// CLIP is the tokenizer of OpenAI's CLIP models and of Stable Diffusion v1, with
// ids up to 49407. Each call returns a copy, so that its Pad can be set.
func CLIP() *BPE {
	b := *clip()
	return &b
}

// BERT is the tokenizer of bert-base-uncased. It is shared: do not change it.
func BERT() *WordPiece { return bert() }

// lines reads the first limit lines of a compressed file, all if it is negative.
func lines(file string, limit int) []string {
	r, err := gzip.NewReader(strings.NewReader(file))
	if err != nil {
		panic(err)
	}
	var list []string
	s := bufio.NewScanner(r)
	for len(list) != limit && s.Scan() {
		list = append(list, s.Text())
	}
	if err := s.Err(); err != nil {
		panic(err)
	}
	return list
}
