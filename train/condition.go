package train

import (
	"context"
	"crypto/sha256"
	"strconv"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/data/cache"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/token"
)

// example is one place of a batch: a picture with what is known about it.
type example struct {
	from    *latents
	pick    data.Pick
	dropped bool // the condition is replaced by the empty one
	seed    uint64
	at      uint64 // number of the place among all of the run
}

// condition is what a denoiser is told about a picture: what it adds to the
// graph, and how an example's is written into the program's inputs.
type condition interface {
	build(b nn.Builder, n int) []graph.Value
	fill(ctx context.Context, p engine.Program, i int, e example) error
}

// newCondition is the condition of the network's kind.
func (s *secondStage) newCondition() (condition, error) {
	switch {
	case s.learnt != nil:
		return s.learnt, nil
	case s.net.Key == model.KeyHybrid:
		text, err := s.newContext()
		if err != nil {
			return nil, err
		}
		return s.newPictures(text)
	case s.net.TakesPictures() && s.net.Kind == model.RescaledMap:
		return &labelMaps{s.net, s.cfg.Data.Size}, s.wantLabels()
	case s.net.TakesPictures(), s.net.Inpaints():
		return s.newPictures(nil)
	}
	return s.newContext()
}

// newPictures is the condition that is joined to the latent, beside a text or nil.
func (s *secondStage) newPictures(text condition) (condition, error) {
	j, err := s.newJoined()
	h, w, _ := s.latents.shape()
	return &besides{joined: j, net: s.net, h: h, w: w, text: text}, err
}

// newContext is the condition of the cross-attention or of the time embedding.
func (s *secondStage) newContext() (condition, error) {
	var c condition
	switch {
	case s.net.Key == model.KeyNone:
		return unconditional{}, nil
	case s.net.LayoutTokens():
		return s.newLayouts()
	case s.net.TextLength() > 0 && s.tok != nil:
		c = &texts{s.net, s.tok}
	case s.net.Classes() > 0:
		c = &labels{s.net, s.net.Classes() - 1}
	default:
		return nil, fault.Unsupportedf("cond_stage_config %s with conditioning_key %s cannot be trained on", s.net.Kind, s.net.Key)
	}
	if s.trainsConditioner || s.net.Key == model.KeyADM {
		return c, nil
	}
	return &frozen{inner: c, net: s.net, run: s.run, loop: s.cfg.Train}, nil
}

// unconditional models are told nothing.
type unconditional struct{}

func (unconditional) build(nn.Builder, int) []graph.Value                      { return nil }
func (unconditional) fill(context.Context, engine.Program, int, example) error { return nil }

// texts are captions, through the text encoder in the graph.
type texts struct {
	net *model.Network
	tok token.Tokenizer
}

func (c *texts) build(b nn.Builder, n int) []graph.Value {
	return []graph.Value{c.net.Condition(b, n, c.net.TextLength())}
}

func (c *texts) key(e example) string {
	if e.dropped {
		return ""
	}
	return e.pick.Text
}

func (c *texts) fill(_ context.Context, p engine.Program, i int, e example) error {
	l := c.net.TextLength()
	c.tok.Encode(c.key(e), p.Input("tokens").I32[i*l:(i+1)*l])
	return nil
}

// labels are classes; the last is the empty one.
type labels struct {
	net   *model.Network
	empty int
}

func (c *labels) build(b nn.Builder, n int) []graph.Value {
	if c.net.Key == model.KeyADM {
		return []graph.Value{b.G.IntInput("labels", n)}
	}
	return []graph.Value{c.net.Condition(b, n, 0)}
}

func (c *labels) key(e example) string { return strconv.Itoa(c.label(e)) }

func (c *labels) label(e example) int {
	if e.dropped {
		return c.empty
	}
	return e.from.feed.Set.Items[e.pick.Index].Class
}

func (c *labels) fill(_ context.Context, p engine.Program, i int, e example) error {
	p.Input("labels").I32[i] = int32(c.label(e))
	return nil
}

// keyed is a condition that is the same for equal keys.
type keyed interface {
	condition
	key(e example) string
}

// frozen is a conditioner that is not trained: its results are computed once
// for each caption or class, kept as latents are, and are an input of the
// training program.
type frozen struct {
	inner   condition
	net     *model.Network
	known   *cache.Cache
	prog    engine.Program
	run     Run
	loop    Loop
	weights engine.Weights
}

func (c *frozen) build(b nn.Builder, n int) []graph.Value {
	return []graph.Value{b.G.Input("condition", n, max(c.net.TextLength(), 1), c.net.UNet.ContextDim)}
}

func (c *frozen) fill(ctx context.Context, p engine.Program, i int, e example) error {
	out, err := c.context(ctx, e)
	if err == nil {
		copy(p.Input("condition").Row(i).F32, out)
	}
	return err
}

// context is an example's, computed now or before.
func (c *frozen) context(ctx context.Context, e example) ([]float32, error) {
	key := cache.Key(sha256.Sum256([]byte(c.inner.(keyed).key(e))))
	out, ok := c.known.Get(key)
	if !ok {
		if err := c.compile(); err != nil {
			return nil, err
		}
		if err := c.inner.fill(ctx, c.prog, 0, e); err != nil {
			return nil, err
		}
		if err := c.prog.Run(ctx); err != nil {
			return nil, err
		}
		out = c.prog.Output(0).Clone().F32
		c.known.Put(key, out)
	}
	return out, nil
}

// rest closes the network until it is needed again.
func (c *frozen) rest() {
	if c.prog != nil {
		c.prog.Close()
		c.prog = nil
	}
}

// frozenIn is the frozen conditioner of a condition, or nil.
func frozenIn(c condition) *frozen {
	if both, ok := c.(*besides); ok {
		c = both.text
	}
	f, _ := c.(*frozen)
	return f
}

// place gives it the parameters on the device, and a place for results.
func (c *frozen) place(w engine.Weights, known *cache.Cache) { c.weights, c.known = w, known }

func (c *frozen) close() {
	c.rest()
	c.known.Close()
}

func (c *frozen) compile() error {
	if c.prog != nil {
		return nil
	}
	g := graph.New()
	y := c.inner.build(nn.NewBuilder(g), 1)
	if err := g.Err(); err != nil {
		return err
	}
	var err error
	c.prog, err = c.run.Engine.Compile(g, y, c.weights, engine.Options{Precision: c.loop.Precision})
	return err
}
