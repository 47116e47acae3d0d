package train

import (
	"context"
	"fmt"
	"image"
	"path/filepath"
	"strings"

	"github.com/ldm-go/ldm/adapter/embedding"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// EmbeddingConfig configures the training of a word (textual inversion, Gal et al.,
// arXiv 2208.01618): vectors that stand in the place of a word's tokens.
type EmbeddingConfig struct {
	Tuning    `yaml:",inline"` // trigger is the word
	Embedding Word             `yaml:"embedding"`
}

// Word configures what is learnt.
type Word struct {
	Vectors int            `yaml:"vectors"` // that stand for the word
	Init    string         `yaml:"init"`    // words whose tokens' vectors they begin as, such as "dog"
	Kind    string         `yaml:"kind"`    // what pictures without captions show: an object or a style
	Form    embedding.Form `yaml:"form"`    // of the file: diffusers or a1111
}

// DefaultEmbedding holds what a configuration may leave out.
func DefaultEmbedding() EmbeddingConfig {
	c := EmbeddingConfig{Tuning: defaultTuning(), Embedding: Word{Vectors: 1, Kind: "object", Form: embedding.Diffusers}}
	c.Train.WeightDecay, c.Train.Steps, c.Train.LearningRate = 0, 3000, 5e-4
	return c
}

// texts of pictures without captions, by what they show.
var templates = map[string][]string{
	"object": {"a photo of %s", "a picture of %s", "a close photo of %s", "a small %s", "a photo of one %s", "a good photo of %s", "a dark photo of %s", "a drawing of %s"},
	"style":  {"a picture in the style of %s", "a painting in the style of %s", "a drawing in the style of %s", "a small picture in the style of %s", "a picture of a house in the style of %s"},
}

// nameVectors is the parameter that is learnt.
const nameVectors = "embedding.vectors"

// Embedding trains a word, or goes on with it.
func Embedding(ctx context.Context, cfg EmbeddingConfig, run Run) error {
	before, err := run.open(kindEmbedding)
	if err != nil {
		return err
	}
	t := &teaching{word: cfg.Embedding, name: cfg.Trigger}
	if err := t.word.validate(t.name); err != nil {
		return err
	}
	cfg.describe = func(texts []string) []string {
		if len(texts) > 0 {
			return withTrigger(texts, t.name)
		}
		for _, form := range templates[t.word.Kind] {
			texts = append(texts, fmt.Sprintf(form, t.name))
		}
		return texts
	}
	if err := t.open(ctx, cfg.Tuning, run); err != nil {
		return err
	}
	defer t.closeBase()
	if err := t.setVectors(); err != nil {
		return err
	}
	if err := t.setObjective(); err != nil {
		return err
	}
	cfg.Data, cfg.Train = t.cfg.Data, t.cfg.Train // with the defaults that the base gives
	return start(ctx, run, cfg, t.cfg.Train, t, t.vars, before)
}

func (w Word) validate(name string) error {
	switch {
	case strings.TrimSpace(name) == "" || strings.ContainsAny(name, "\n\r\t\x00/\\:") || len(name) > 100:
		return fault.Inputf("trigger is %q: want the word that is learnt, such as \"<rex>\", which prompts call it by", name)
	case w.Vectors < 1 || w.Vectors > 32:
		return fault.Inputf("embedding.vectors is %d: want 1 to 32", w.Vectors)
	case templates[w.Kind] == nil:
		return fault.Inputf("embedding.kind is %q: want object or style", w.Kind)
	case w.Form != embedding.Diffusers && w.Form != embedding.A1111:
		return fault.Inputf("embedding.form is %q: want %s or %s", w.Form, embedding.Diffusers, embedding.A1111)
	}
	return nil
}

// teaching trains the vectors of a word.
type teaching struct {
	tuning
	word Word
	name string
}

// setVectors begins the vectors as those of the initial words' tokens, over and over,
// or where none are named as random ones of the table's spread.
func (t *teaching) setVectors() error {
	plain, ok := t.tok.(*token.BPE)
	if !ok || t.net.CLIP == nil {
		return fault.Unsupportedf("base: %s has no text encoder of CLIP, which alone learns words", t.text)
	}
	texts := newLearntTexts(t.net, plain, t.name, t.word.Vectors, t.vars[model.PrefixConditioner+"."+t.net.CLIP.TokenTable()])
	width := t.net.CLIP.Width
	vectors := tensor.New(t.word.Vectors, width)
	ids := plain.Pieces(t.word.Init)
	if len(ids) == 0 && t.word.Init != "" {
		return fault.Inputf("embedding.init is %q, which has no tokens", t.word.Init)
	}
	for i := range t.word.Vectors {
		if len(ids) > 0 {
			texts.look(vectors.Row(i).F32, ids[i%len(ids)])
			continue
		}
		tensor.NewStream(t.cfg.Train.Seed, drawCodebook, uint64(i)).Normal(vectors.Row(i).F32)
		for k := range width {
			vectors.Row(i).F32[k] *= .014 // the spread of CLIP's table
		}
	}
	t.vars[nameVectors] = vectors
	t.tok, t.trainsConditioner = texts.tok, true
	t.learnt = texts
	return nil
}

func (t *teaching) objectives() []Objective {
	return t.objectivesOf(Objective{
		Moves:     func(name string) bool { return name == nameVectors },
		Optimizer: t.cfg.Train.Optimizer, Averaged: true, Fill: t.fill,
	}, func(d *denoising) func(b nn.Builder) Loss {
		return func(b nn.Builder) Loss { return d.build(b, t.cfg.Train.BatchSize) }
	})
}

// file is the result's name: in A1111's form it is the word's.
func (t *teaching) file(dir string) string {
	if t.word.Form == embedding.A1111 {
		return filepath.Join(dir, t.name+".safetensors")
	}
	return filepath.Join(dir, EmbeddingFile)
}

// EmbeddingFile is the result of a training of a word, in diffusers' form.
const EmbeddingFile = "learned_embeds.safetensors"

func (t *teaching) export(dir string) error {
	vars, err := t.means.Pull(nameVectors)
	if err != nil {
		return err
	}
	return embedding.Write(t.file(dir), t.name, vars[nameVectors], t.word.Form)
}

// pictures draws samples with the word as it stands.
func (t *teaching) pictures(ctx context.Context) (image.Image, error) {
	if err := t.export(t.run.Dir); err != nil {
		return nil, err
	}
	t.model = t.newModel()
	defer t.model.Close()
	if _, err := t.model.SetEmbeddings(t.name + "=" + t.file(t.run.Dir)); err != nil {
		return nil, err
	}
	return t.secondStage.pictures(ctx)
}

// learntTexts are captions in which a word stands for vectors that are learnt.
type learntTexts struct {
	net   *model.Network
	tok   *token.BPE // which knows the word
	table *tensor.Tensor
	count int // of the vectors
}

func newLearntTexts(net *model.Network, plain *token.BPE, name string, count int, table *tensor.Tensor) *learntTexts {
	added := token.Added{Name: name}
	for i := range count {
		added.IDs = append(added.IDs, int32(net.Vocabulary()+i))
	}
	return &learntTexts{net, plain.WithWords([]token.Added{added}), table, count}
}

// build adds the learnt vectors at their places to those of the other tokens.
func (c *learntTexts) build(b nn.Builder, n int) []graph.Value {
	g, l, w := b.G, c.net.TextLength(), c.net.CLIP.Width
	learnt := b.Param(nameVectors, nn.Normal, c.count, w)
	rows := g.Concat(0, learnt, g.Fill(0, 1, w)) // the last one is for all other tokens
	x := g.Add(g.Input("embedded", n, l, w), g.Embedding(rows, g.IntInput("places", n, l)))
	return []graph.Value{c.net.CLIP.BuildEmbedded(b.In(model.PrefixConditioner), x)}
}

func (c *learntTexts) fill(_ context.Context, p engine.Program, i int, e example) error {
	text, l, w := e.pick.Text, c.net.TextLength(), c.net.CLIP.Width
	if e.dropped {
		text = ""
	}
	ids := make([]int32, l)
	c.tok.Encode(text, ids)
	x, places := p.Input("embedded").Row(i).F32, p.Input("places").I32[i*l:(i+1)*l]
	for k, id := range ids {
		row := x[k*w:][:w]
		if beyond := int(id) - c.net.Vocabulary(); beyond >= 0 {
			clear(row)
			places[k] = int32(beyond)
			continue
		}
		places[k] = int32(c.count)
		c.look(row, id)
	}
	return nil
}

// look writes a token's vector.
func (c *learntTexts) look(dst []float32, id int32) {
	at := int(id) * len(dst)
	if c.table.Half != nil {
		c.table.Format.Widen(dst, c.table.Half[at:][:len(dst)])
		return
	}
	copy(dst, c.table.F32[at:][:len(dst)])
}
