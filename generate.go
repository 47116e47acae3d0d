package ldm

import (
	"context"
	"errors"
	"image"
	"math"

	"github.com/ldm-go/ldm/engine/programs"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// Result are the pictures that a request asked for.
type Result struct {
	Images  []image.Image
	Pixels  *tensor.Tensor // the same as numbers: [N, H, W, 3], about in [-1, 1]
	Request Request        // as it was resolved: with the defaults and seeds that were used
}

// Generate makes the pictures of a request. A cancelled context stops it within
// half a second with the context's error.
func (m *Model) Generate(ctx context.Context, r Request) (*Result, error) {
	m.changing.RLock()
	defer m.changing.RUnlock()
	r, err := m.resolve(r)
	if err != nil {
		return nil, err
	}
	path, err := r.Sampler.Path(r.Schedule, m.net.Schedule, r.Steps)
	if err != nil {
		return nil, err
	}
	g := &generation{Model: m, Request: r, path: path, encoded: map[any]Encoding{}, contexts: map[string]*tensor.Tensor{}}
	if err := g.checkMemory(); err != nil {
		return nil, err
	}
	if err := g.encodeStart(ctx); err != nil {
		return nil, err
	}
	if err := g.encodeControls(ctx); err != nil {
		return nil, err
	}
	z, err := g.latents(ctx)
	if err != nil {
		return nil, err
	}
	y, err := m.decode(ctx, z)
	if err != nil {
		return nil, err
	}
	g.pasteKnown(y)
	out := &Result{Pixels: y, Request: r}
	for i := range r.Seeds {
		if row := y.Row(i); finite(row.F32) {
			out.Images = append(out.Images, picture.Image(row))
			continue
		}
		return nil, fault.NaNf("picture %d is not finite: the model's weights are broken, or too large for its precision", i+1)
	}
	return out, nil
}

func finite(x []float32) bool {
	for _, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}

// generation is a request in work.
type generation struct {
	*Model
	Request
	path    sampler.Path
	moments *tensor.Tensor // of the start: [1, h, w, ...], or one for each picture
	keep    *tensor.Tensor // 1 where the start's latent stays: [1, h, w, 1]

	controls []controlled
	encoded  map[any]Encoding          // by the condition
	contexts map[string]*tensor.Tensor // of texts
}

// latents are the pictures' latents, made a part at a time.
func (g *generation) latents(ctx context.Context) (*tensor.Tensor, error) {
	h, w, c := g.Height/g.stage.Factor(), g.Width/g.stage.Factor(), g.net.LatentChannels()
	z := tensor.New(len(g.Seeds), h, w, c)
	parts := programs.Parts(len(g.Seeds), g.batch(h, w))
	first := 0
	for i, n := range parts {
		p := part{g, tensor.Of(z.F32[first*h*w*c:(first+n)*h*w*c], n, h, w, c), first, parts[0], i, len(parts)}
		if err := p.sample(ctx); err != nil {
			return nil, err
		}
		first += n
	}
	return z, nil
}

// batch is how many pictures go through the denoiser at once.
func (g *generation) batch(h, w int) int {
	if g.Sampler.Couples {
		return 1
	}
	return max(g.maxRows(h*w)/g.places(), 1)
}

// part are some of a request's pictures, which go through the denoiser together.
type part struct {
	*generation
	x            *tensor.Tensor // their latents [n, h, w, C]
	first        int            // the number of the first one
	rows         int            // of the largest part
	index, count int            // which part it is, of how many
}

// sample turns noise, or the noised start, into latents.
func (p *part) sample(ctx context.Context) error {
	if err := p.prepare(ctx); err != nil {
		return err
	}
	n := p.x.Shape[0]
	noise := p.noise()
	denoise, err := p.denoiser(ctx)
	if err != nil {
		return err
	}
	path := p.path
	if p.Start == nil {
		noise(p.x, 0, 0)
	} else {
		known := p.draw(noise)
		path = p.noised(known, noise)
		if p.keep != nil {
			denoise = sampler.Keep(denoise, p.net.Schedule, repeat(p.keep, n), known, noise)
		}
	}
	if p.Decorate != nil {
		denoise = p.Decorate(denoise)
	}
	options := p.Options
	options.Eta, options.Noise = *p.Eta, noise
	for state, err := range p.Sampler.Sample(ctx, denoise, p.x, path, options) {
		if err != nil {
			return err
		}
		if p.OnStep != nil {
			p.OnStep(Step{p.index*state.Total + state.Step, p.count * state.Total, p.first, state.X, state.X0, p.Model})
		}
	}
	return nil
}

// noise is where the part's random numbers come from.
func (p *part) noise() sampler.Noise {
	seeds := p.Seeds[p.first : p.first+p.x.Shape[0]]
	if p.Noise != nil {
		return p.Noise(seeds)
	}
	return p.Sampler.Noise(p.Random, seeds, p.path.Tail(p.steps()))
}

// prepare compiles the denoiser, whose weights are packed while the conditions are
// computed.
func (p *part) prepare(ctx context.Context) error {
	k := kind{h: p.x.Shape[1], w: p.x.Shape[2], variant: p.Savings.variant()}
	if p.net.TakesVectors() {
		return nil // how many vectors there are the conditions tell
	}
	if p.net.Key == model.KeyCrossAttn || p.net.Key == model.KeyHybrid {
		k.tokens = max(p.net.TextLength(), 1) // classes have one
	}
	k.controlled = len(p.controlsAt(1)) > 0
	if err := p.batcher.Prepare(ctx, k, p.rows*p.places()); !errors.Is(err, fault.Memory) { // else it goes in parts
		return err
	}
	return nil
}
