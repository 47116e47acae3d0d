package ldm

import (
	"context"
	"math"
	"sync"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric/features"
	"github.com/ldm-go/ldm/retrieve"
	"github.com/ldm-go/ldm/tensor"
)

// Vectors is a context as it is, a vector of the width of the model's cross-attention
// each: for models that are conditioned on vectors of CLIP, as retrieval-augmented ones.
type Vectors [][]float32

// Encode wants vectors of the width of the cross-attention.
func (v Vectors) Encode(_ context.Context, m *Model, _, _ int) (Encoding, error) {
	if !m.net.TakesVectors() {
		return Encoding{}, m.unfit("vectors")
	}
	width := m.net.UNet.ContextDim
	if len(v) == 0 {
		return Encoding{}, fault.Inputf("no vectors: want at least one of %d numbers", width)
	}
	out := tensor.New(len(v), width)
	for i, x := range v {
		if len(x) != width {
			return Encoding{}, fault.Inputf("vector %d has %d numbers: this model wants %d", i+1, len(x), width)
		}
		copy(out.Row(i).F32, x)
	}
	if !finite(out.F32) {
		return Encoding{}, fault.Inputf("the vectors are not finite")
	}
	return Encoding{Context: out}, nil
}

// nothing is what the guidance of such models leads away from: as many zeros.
type nothing struct{ like Condition }

// Encode gives zeros of the condition's shape.
func (n *nothing) Encode(ctx context.Context, m *Model, w, h int) (Encoding, error) {
	e, err := n.like.Encode(ctx, m, w, h)
	if err != nil || e.Context == nil {
		return e, err
	}
	e.Context = tensor.New(e.Context.Shape...)
	return e, nil
}

// nothingLike is nothing for each of a request's conditions.
func nothingLike(c Condition) Condition {
	each, ok := c.(Each)
	if !ok {
		return &nothing{c}
	}
	out := make(Each, len(each))
	for i, one := range each {
		out[i] = &nothing{one}
	}
	return out
}

// Retriever turns texts into vectors of CLIP, and finds pictures' that are near (Blattmann
// et al., arXiv 2204.11824, section 3.3). It is safe for concurrent use.
type Retriever struct {
	mu   sync.Mutex // of the encoder
	clip *features.Extractor
}

// NewRetriever makes one of an encoder, which it does not close.
func NewRetriever(clip *features.Extractor) (*Retriever, error) {
	if clip == nil || !clip.Texts() {
		return nil, fault.Inputf("retrieval wants an encoder of texts: a file with both of CLIP's, or its text encoder")
	}
	return &Retriever{clip: clip}, nil
}

// Vectors are those that a prompt becomes: its own, of norm 1, and those of its nearest
// neighbours in a database, as many as are asked for, the nearest first. Without neighbours
// the database may be nil.
func (r *Retriever) Vectors(ctx context.Context, text string, database *retrieve.Database, neighbours int) (Vectors, error) {
	if err := checkNeighbours(database, neighbours); err != nil {
		return nil, err
	}
	r.mu.Lock()
	v, err := r.clip.Text(ctx, text)
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	norm := 0.0
	for _, x := range v {
		norm += float64(x) * float64(x)
	}
	f := float32(1 / math.Sqrt(norm))
	for i := range v {
		v[i] *= f
	}
	out := Vectors{v}
	if neighbours == 0 {
		return out, nil
	}
	near, err := database.Search(ctx, v, neighbours)
	for _, n := range near {
		out = append(out, database.Vectors.Row(n.Index).F32)
	}
	return out, err
}

func checkNeighbours(database *retrieve.Database, neighbours int) error {
	switch {
	case neighbours < 0 || neighbours > 0 && database == nil:
		return fault.Inputf("%d neighbours: want a database of pictures to find them in", neighbours)
	case database != nil && neighbours > database.Len():
		return fault.Inputf("%d neighbours: the database has %d pictures", neighbours, database.Len())
	}
	return nil
}

// retrieval is what prompts become for a model of vectors.
type retrieval struct {
	from       *Retriever
	database   *retrieve.Database
	neighbours int
}

// SetRetrieval lets a model that is conditioned on vectors of CLIP take prompts, which
// become what Retriever.Vectors makes of them. Another database gives the same prompts
// another look. The encoder has to be the one that the model was trained with, and that
// the database was made by; it is not closed with the model.
func (m *Model) SetRetrieval(clip *features.Extractor, database *retrieve.Database, neighbours int) error {
	if !m.net.TakesVectors() {
		return fault.Unsupportedf("retrieval: this model is conditioned on %s, not on vectors of CLIP", m.takes())
	}
	from, err := NewRetriever(clip)
	if err != nil {
		return err
	}
	if err := checkNeighbours(database, neighbours); err != nil {
		return err
	}
	if database != nil && database.Width() != m.net.UNet.ContextDim {
		return fault.Inputf("the database has vectors of %d numbers: this model wants %d", database.Width(), m.net.UNet.ContextDim)
	}
	m.changing.Lock()
	defer m.changing.Unlock()
	m.retrieval = &retrieval{from, database, neighbours}
	return nil
}

// encodeRetrieved is the condition of a text for a model of vectors.
func (m *Model) encodeRetrieved(ctx context.Context, text string) (Encoding, error) {
	r := m.retrieval
	if r == nil {
		return Encoding{}, fault.Unsupportedf("this model is conditioned on vectors of CLIP: a text wants its encoder (SetRetrieval; --clip)")
	}
	v, err := r.from.Vectors(ctx, text, r.database, r.neighbours)
	if err != nil {
		return Encoding{}, err
	}
	return v.Encode(ctx, m, 0, 0)
}
