package ldm

import (
	"context"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// denoiser is the network under the part's conditions, with guidance.
func (p *part) denoiser(ctx context.Context) (sampler.Denoiser, error) {
	conditions, err := p.conditions(ctx)
	if err != nil {
		return nil, err
	}
	network := func(ctx context.Context, x *tensor.Tensor, t float64, want ...int) ([]*tensor.Tensor, error) {
		var rows []row
		for _, place := range want {
			for i := range x.Shape[0] {
				rows = append(rows, row{x.Row(i), t, conditions[place][i]})
			}
		}
		y, err := p.predict(ctx, rows, p.rows*len(want))
		if err != nil {
			return nil, err
		}
		out := make([]*tensor.Tensor, len(want))
		for k := range out {
			size := len(x.F32)
			out[k] = tensor.Of(y[k*size:(k+1)*size], x.Shape...)
		}
		return out, nil
	}
	return sampler.Guided(network, p.net.Schedule, p.guidance()), nil
}

// guidance joins the outputs under the conditions at their places.
func (g *generation) guidance() sampler.Guidance {
	out := sampler.Guidance{Scale: g.Guidance}
	if g.net.Edits() {
		out = sampler.TextAndPicture(g.Guidance, g.PictureGuidance)
	}
	out.Rescale = g.Rescale
	if g.Interval != [2]float64{} {
		out.From, out.To = g.path.Between(g.Interval[0], g.Interval[1])
	}
	return out
}

// places is the number of conditions that a picture goes through the network under.
func (g *generation) places() int {
	switch {
	case g.net.Edits() && (g.Guidance != 1 || g.PictureGuidance != 1):
		return 3
	case g.Guidance != 1:
		return 2
	}
	return 1
}

// conditions are the encodings for each picture at the places that sampler.Guided
// knows: 0 negative, 1 the condition, and for models that edit 2, the picture with
// the negative text.
func (p *part) conditions(ctx context.Context) (places [3][]Encoding, err error) {
	for i := range p.x.Shape[0] {
		condition, err := p.encode(ctx, p.Condition, p.first+i)
		if err != nil {
			return places, err
		}
		if p.net.Key == model.KeyHybrid && condition.Joined == nil {
			return places, fault.Inputf("picture %d: a text alone is no condition for this model, which is conditioned on %s", p.first+i+1, p.takes())
		}
		places[1] = append(places[1], condition)
		if p.places() == 1 {
			continue
		}
		negative, err := p.encode(ctx, p.Negative, p.first+i)
		if err != nil {
			return places, err
		}
		if p.net.Key == model.KeyHybrid && negative.Joined == nil { // it was a text
			if negative.Joined = condition.Joined; p.net.Edits() {
				negative.Joined = tensor.New(condition.Joined.Shape...)
			}
		}
		places[0] = append(places[0], negative)
		places[2] = append(places[2], Encoding{Context: negative.Context, Joined: condition.Joined})
	}
	return places, nil
}

// encode is the condition of picture i, which several may share.
func (g *generation) encode(ctx context.Context, c Condition, i int) (Encoding, error) {
	each, ok := c.(Each)
	if ok {
		c = each[i]
	}
	switch {
	case c != nil:
	case g.tokenizer != nil:
		c = Prompt("")
	case g.net.Kind == model.NoCondition:
		return Encoding{}, nil
	default:
		return Encoding{}, fault.Inputf("picture %d has no condition: this model is conditioned on %s", i+1, g.takes())
	}
	key := c
	switch c.(type) {
	case Prompt, Class, ClassName:
	default: // may not be comparable, and is the same for all or another for each
		if key = nil; ok {
			return c.Encode(ctx, g.Model, g.Width, g.Height)
		}
	}
	if e, ok := g.encoded[key]; ok {
		return e, nil
	}
	e, err := c.Encode(ctx, g.Model, g.Width, g.Height)
	if err == nil {
		g.encoded[key] = e
	}
	return e, err
}
