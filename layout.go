package ldm

import (
	"context"
	"slices"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// Layout is where things are in a picture, for models of layout-to-image.
type Layout []Box

// Box is one thing in a picture: its class and where it is, as shares of the
// picture's width and height, from its top left.
type Box struct {
	Class         int
	Name          string // in place of Class where the model's file names its classes
	X, Y          float64
	Width, Height float64
	Group         bool // several of the class
}

// Encode turns the boxes into the reference's tokens and runs the text encoder
// on them.
func (l Layout) Encode(ctx context.Context, m *Model, _, _ int) (Encoding, error) {
	if !m.net.LayoutTokens() {
		return Encoding{}, m.unfit("a layout")
	}
	layout := m.layout()
	objects := make([]token.Object, len(l))
	for i, b := range l {
		if b.Name != "" {
			if b.Class = slices.Index(m.Classes(), b.Name); b.Class < 0 {
				return Encoding{}, fault.Inputf("box %d: class %q: want one of %s", i+1, b.Name, some(m.Classes()))
			}
		}
		if b.Group && len(m.Classes()) == 0 {
			return Encoding{}, fault.Unsupportedf("box %d: a group wants the number of classes, and this model's file names none", i+1)
		}
		objects[i] = token.Object{Class: b.Class, Box: [4]float64{b.X, b.Y, b.Width, b.Height}, GroupOf: b.Group}
	}
	tokens := tensor.NewInt(1, m.net.TextLength())
	if err := layout.Encode(objects, [4]float64{0, 0, 1, 1}, tokens.I32); err != nil {
		return Encoding{}, fault.As(fault.Input, err)
	}
	return m.encodeTokens(ctx, tokens)
}

// layout is the vocabulary of the model's layouts.
func (m *Model) layout() token.Layout {
	l := token.NewLayout(max(len(m.Classes()), 1))
	l.Tokens = m.net.Text.VocabSize
	l.MaxObjects = (m.net.TextLength() - 2) / 3
	if len(m.Classes()) == 0 { // whatever fits beside the token of nothing
		l.Classes = l.Tokens - 1
	}
	return l
}
