package train

import (
	"context"
	"image"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/tensor"
)

// idle is a task of which nothing is asked but its objectives.
type idle struct{ list []Objective }

func (i idle) objectives() []Objective                       { return i.list }
func (i idle) loaded(engine.Weights) error                   { return nil }
func (i idle) before(context.Context, *loop, int) error      { return nil }
func (i idle) after(*loop, int) error                        { return nil }
func (i idle) validate(context.Context) ([]scalar, error)    { return nil, nil }
func (i idle) pictures(context.Context) (image.Image, error) { return nil, nil }
func (i idle) export(string) error                           { return nil }
func (i idle) close()                                        {}
func (i idle) state() map[string]*tensor.Tensor              { return nil }
func (i idle) facts() facts                                  { return facts{} }
