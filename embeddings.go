package ldm

import (
	"slices"
	"strings"

	"github.com/ldm-go/ldm/adapter/embedding"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// learnt are words beyond the vocabulary: the tokens from its end on stand for
// their vectors.
type learnt struct {
	vectors [][]float32
	plain   *token.BPE // the tokenizer without them
}

// SetEmbeddings teaches the text encoder words (textual inversion), in place of those
// that it was taught before: in prompts their names stand for their vectors. The
// paths lead to files of A1111, diffusers or InvokeAI; NAME=PATH gives the word of a
// file another name. It returns the names. What is set counts from the next request
// on. Only models with CLIP's text encoder can be taught.
func (m *Model) SetEmbeddings(paths ...string) (names []string, err error) {
	m.changing.Lock()
	defer m.changing.Unlock()
	plain := m.learnt.plain
	if plain == nil {
		tok, ok := m.clip()
		if !ok {
			return nil, fault.Unsupportedf("embeddings: this model has no text encoder of CLIP that learns words")
		}
		plain = tok
	}
	next := learnt{plain: plain}
	var added []token.Added
	for _, path := range paths {
		name := ""
		if before, after, ok := strings.Cut(path, "="); ok && !strings.ContainsAny(before, `/\`) {
			name, path = before, after
		}
		words, err := embedding.Open(path, name, m.net.CLIP.Width)
		if err != nil {
			return nil, err
		}
		for _, w := range words {
			if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, w.Name) }) {
				return nil, fault.Inputf("%s: there is a word %q already: NAME=%s gives it another name", path, w.Name, path)
			}
			a := token.Added{Name: w.Name}
			for i := range w.Vectors.Shape[0] {
				a.IDs = append(a.IDs, int32(m.net.Vocabulary()+len(next.vectors)))
				next.vectors = append(next.vectors, w.Vectors.Row(i).F32)
			}
			added, names = append(added, a), append(names, w.Name)
		}
	}
	m.learnt, m.tokenizer = next, plain.WithWords(added)
	return names, nil
}

// among tells whether some tokens are learnt words.
func (l learnt) among(ids []int32, vocabulary int) bool {
	return len(l.vectors) > 0 && slices.ContainsFunc(ids, func(id int32) bool { return int(id) >= vocabulary })
}

// lookUp gives the vectors [N, L, width] of tokens [N, L], learnt ones among them.
func (m *Model) lookUp(ids *tensor.Tensor) (*tensor.Tensor, error) {
	name := model.PrefixConditioner + "." + m.net.CLIP.TokenTable()
	vars, err := m.weights.Pull(name)
	if err != nil {
		return nil, err
	}
	table, width := vars[name], m.net.CLIP.Width
	out := tensor.New(append(slices.Clone(ids.Shape), width)...)
	for i, id := range ids.I32 {
		row := out.F32[i*width:][:width]
		switch beyond := int(id) - m.net.Vocabulary(); {
		case beyond >= 0:
			copy(row, m.learnt.vectors[beyond])
		case table.Half != nil:
			table.Format.Widen(row, table.Half[int(id)*width:][:width])
		default:
			copy(row, table.F32[int(id)*width:][:width])
		}
	}
	return out, nil
}
