package ldm

import (
	"context"
	"slices"

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
	saver := newSaver(p.Savings, p.x.Shape[0])
	network := func(ctx context.Context, x *tensor.Tensor, t float64, want ...int) ([]*tensor.Tensor, error) {
		step := p.step(t)
		controls := p.controlsAt(step)
		alone, any := saver.alone(conditions, want, step)
		var rows []row
		var seats []seat
		add := func(c Encoding, at seat) {
			rows, seats = append(rows, row{x: x.Row(at.picture), t: t, condition: p.told(c), controls: controls}), append(seats, at)
		}
		for _, place := range want {
			for i := range x.Shape[0] {
				if place == 0 && alone[i] {
					continue
				}
				for k, c := range conditions[place][i] {
					add(c.at(step), seat{place, i, k})
				}
			}
		}
		told := len(rows)
		for _, i := range incomplete(conditions, want) {
			add(conditions[0][i][0].at(step), seat{-1, i, 0})
		}
		atLeast := p.rows * len(want)
		if any {
			atLeast = 0
		}
		saver.prepare(rows, seats)
		y, err := p.predict(ctx, rows, atLeast)
		if err != nil {
			return nil, err
		}
		saver.keep(rows, seats)
		out := blended(y, x.Shape, conditions, want, told, alone)
		p.watch(saver, x, t, out, want)
		return out, nil
	}
	return sampler.Guided(network, p.net.Schedule, p.guidance()), nil
}

// told is a condition with the scale of the guidance, for models that are told it.
func (g *generation) told(e Encoding) Encoding {
	if g.net.ToldGuidance() {
		e.Guidance = g.Guidance
	}
	return e
}

// guidance joins the outputs under the conditions at their places.
func (g *generation) guidance() sampler.Guidance {
	if g.net.ToldGuidance() {
		return sampler.Guidance{Scale: 1}
	}
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
	case g.net.ToldGuidance():
		return 1
	case g.net.Edits() && (g.Guidance != 1 || g.PictureGuidance != 1):
		return 3
	case g.Guidance != 1:
		return 2
	}
	return 1
}

// blended joins the outputs y of a network's rows, which follow each other by place,
// picture and condition, to one for each place: of shape. From row told on are the
// outputs under the negative conditions of pictures whose blends want them. Of pictures
// that are alone there is none at place 0, where that at place 1 counts.
func blended(y []float32, shape tensor.Shape, conditions [3][]mixture, want []int, told int, alone []bool) []*tensor.Tensor {
	size := shape[1:].Size()
	negative := map[int][]float32{}
	for k, i := range incomplete(conditions, want) {
		negative[i] = y[(told+k)*size:][:size]
	}
	out := make([]*tensor.Tensor, len(want))
	at := 0
	for k, place := range want {
		if told == len(want)*shape[0] && len(negative) == 0 && !slices.Contains(alone, true) { // one condition each
			out[k] = tensor.Of(y[k*shape[0]*size:(k+1)*shape[0]*size], shape...)
			continue
		}
		out[k] = tensor.New(shape...)
		for i, b := range conditions[place] {
			if place == 0 && alone[i] {
				continue
			}
			row := out[k].Row(i).F32
			if !b.whole() {
				w := float32(1 - b.total())
				for j, u := range negative[i] {
					row[j] = w * u
				}
			}
			for _, s := range b {
				w := float32(s.weight)
				for j, c := range y[at*size:][:size] {
					row[j] += w * c
				}
				at++
			}
		}
	}
	for i := range alone {
		if alone[i] {
			copy(out[0].Row(i).F32, out[1].Row(i).F32)
		}
	}
	return out
}

// incomplete lists the pictures that are told something at the places that are wanted
// whose weights do not sum up to 1.
func incomplete(conditions [3][]mixture, want []int) (list []int) {
	for i := range conditions[1] {
		for _, place := range want {
			if !conditions[place][i].whole() {
				list = append(list, i)
				break
			}
		}
	}
	return list
}

// conditions are what each picture is told at the places that sampler.Guided knows:
// 0 negative, 1 the condition, and for models that edit 2, the picture with the
// negative text.
func (p *part) conditions(ctx context.Context) (places [3][]mixture, err error) {
	for i := range p.x.Shape[0] {
		condition, err := p.tell(ctx, p.Condition, p.first+i, true)
		if err != nil {
			return places, err
		}
		joined := condition[0].at(1).Joined
		if p.net.Key == model.KeyHybrid && joined == nil {
			return places, fault.Inputf("picture %d: a text alone is no condition for this model, which is conditioned on %s", p.first+i+1, p.takes())
		}
		places[1] = append(places[1], condition)
		if p.places() == 1 && condition.whole() {
			places[0] = append(places[0], condition) // is not asked for
			continue
		}
		negative, err := p.tell(ctx, p.Negative, p.first+i, false)
		if err != nil {
			return places, err
		}
		var both mixture
		for _, s := range negative {
			with := share{weight: s.weight}
			for k, c := range s.courses {
				if p.net.Key == model.KeyHybrid && c.Joined == nil { // it was a text
					if s.courses[k].Joined = joined; p.net.Edits() {
						s.courses[k].Joined = tensor.New(joined.Shape...)
					}
				}
				c.Joined = joined
				with.courses = append(with.courses, c)
			}
			both = append(both, with)
		}
		places[0], places[2] = append(places[0], negative), append(places[2], both)
	}
	return places, nil
}

// encode is the condition of picture i, which several may share.
func (g *generation) encode(ctx context.Context, c Condition, i int, wanted bool) (Encoding, error) {
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
	key := any(c)
	switch c.(type) {
	case Prompt, Class, ClassName, *nothing:
	default: // may not be comparable, and is the same for all or another for each
		if key = wanted; ok {
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
