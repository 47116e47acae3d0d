package train

import (
	"context"
	"slices"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/token"
)

// layouts are boxes with their classes, as tokens (section 4.3.1).
type layouts struct {
	net    *model.Network
	tokens token.Layout
	names  []string // of the classes
}

// newLayouts takes the classes of the boxes, in the checkpoint's order where
// there is one.
func (s *secondStage) newLayouts() (*layouts, error) {
	c := &layouts{net: s.net, names: s.classes}
	c.tokens = token.Layout{Tokens: s.net.Text.VocabSize, MaxObjects: (s.net.TextLength() - 2) / 3, Classes: max(len(s.classes), 1)}
	if c.tokens.Len() != s.net.TextLength() || c.tokens.MaxObjects < 1 {
		return nil, fault.Inputf("max_seq_len is %d: want 3 tokens for each object and 2 for the crop, as 92 for 30 objects", s.net.TextLength())
	}
	if len(s.classes) >= c.tokens.Tokens {
		return nil, fault.Inputf("vocab_size is %d: want more than the %d classes of boxes", c.tokens.Tokens, len(s.classes))
	}
	for _, f := range []*feed{s.train, s.valid} {
		if f == nil {
			continue
		}
		for _, name := range f.Set.Categories {
			if !slices.Contains(s.classes, name) {
				return nil, fault.Inputf("boxes of the class %q, which is not among the model's: %q", name, s.classes)
			}
		}
	}
	return c, nil
}

func (c *layouts) build(b nn.Builder, n int) []graph.Value {
	return []graph.Value{c.net.Condition(b, n, c.net.TextLength())}
}

// objects are a pick's boxes; of too many the largest.
func (c *layouts) objects(pick data.Pick, from *latents) []token.Object {
	boxes := from.feed.Set.BoxesOf(pick)
	if over := len(boxes) - c.tokens.MaxObjects; over > 0 {
		areas := make([]float64, len(boxes))
		for i, b := range boxes {
			areas[i] = b.W * b.H
		}
		slices.Sort(areas)
		least := areas[over]
		boxes = slices.DeleteFunc(boxes, func(b data.Box) bool { return b.W*b.H < least })
		boxes = boxes[:c.tokens.MaxObjects]
	}
	var list []token.Object
	for _, b := range boxes {
		class := slices.Index(c.names, from.feed.Set.Categories[b.Class])
		list = append(list, token.Object{Class: class, Box: [4]float64{b.X, b.Y, b.W, b.H}})
	}
	return list
}

func (c *layouts) fill(_ context.Context, p engine.Program, i int, e example) error {
	l := c.net.TextLength()
	var objects []token.Object
	if !e.dropped {
		objects = c.objects(e.pick, e.from)
	}
	return c.tokens.Encode(objects, [4]float64{0, 0, 1, 1}, p.Input("tokens").I32[i*l:(i+1)*l])
}

func (c *layouts) show(pick data.Pick, from *latents) (ldm.Condition, error) {
	var layout ldm.Layout
	for _, o := range c.objects(pick, from) {
		layout = append(layout, ldm.Box{Class: o.Class, X: o.Box[0], Y: o.Box[1], Width: o.Box[2], Height: o.Box[3]})
	}
	return layout, nil
}
