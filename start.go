package ldm

import (
	"context"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// encodeStart encodes the picture to begin with, and shrinks its mask.
func (g *generation) encodeStart(ctx context.Context) (err error) {
	if g.Start == nil {
		return nil
	}
	if g.moments, err = g.stage.Moments(ctx, picture.Tensor(g.Start)); err != nil || g.Mask == nil {
		return err
	}
	g.keep = shrink(greys(g.Mask), g.stage.Factor())
	for i, v := range g.keep.F32 {
		g.keep.F32[i] = 1 - v
	}
	return nil
}

// draw is the start's latent, as it is diffused, for every picture of a part: a
// draw from the posterior of a KL first stage, as in the reference.
func (p *part) draw(noise sampler.Noise) *tensor.Tensor {
	z := tensor.New(p.x.Shape...)
	kl := p.net.FirstStage.Kind == autoencoder.KL
	if kl {
		noise(z, 0, 0)
	}
	d := z.Shape[3]
	for i := range z.Shape[0] {
		moments, row := p.moments.Row(min(p.first+i, p.moments.Shape[0]-1)).F32, z.Row(i).F32
		for k, n := range row {
			v := moments[k]
			if kl {
				at := k/d*2*d + k%d
				v = autoencoder.SampleFrom(moments[at], moments[at+d], n)
			}
			row[k] = v * p.net.ScaleFactor
		}
	}
	p.empty(z, noise)
	return z
}

// empty takes out of the start's latents what a mask does not keep, where that is asked
// for.
func (p *part) empty(z *tensor.Tensor, noise sampler.Noise) {
	if p.keep == nil || p.Fill == FillStart {
		return
	}
	other := tensor.New(z.Shape...)
	if p.Fill == FillNoise {
		noise(other, 0, 0)
	}
	keep, d := p.keep.F32, z.Shape[3]
	for i, v := range z.F32 {
		k := keep[i/d%len(keep)]
		z.F32[i] = v*k + other.F32[i]*(1-k)
	}
}

// noised writes the start's latent, noised, to x, and returns the rest of the way
// from there. Of S steps the last ⌊strength·S⌋ are gone, at least one. With DDIM the
// start has the noise of the step before, as in the reference's image to image.
func (p *part) noised(known *tensor.Tensor, noise sampler.Noise) sampler.Path {
	level := p.path.Steps() - p.steps()
	if p.Sampler.Name == sampler.Methods()[0].Name {
		level = max(level-1, 0)
	}
	alpha, std := p.net.Schedule.Coefficients(p.path.Timestep(level))
	a, b := float32(alpha), float32(std)
	noise(p.x, 0, 0)
	for i, e := range p.x.F32 {
		p.x.F32[i] = a*known.F32[i] + b*e
	}
	return p.path.Tail(p.steps())
}

// steps is how many steps of the path are gone.
func (p *part) steps() int {
	total := p.path.Steps()
	if p.Start == nil {
		return total
	}
	_, first := sampler.DiffusersStrength(total, p.Strength)
	return max(total-first, 1)
}

// pasteKnown puts the pixels that a mask keeps back into pictures [N, H, W, 3].
func (g *generation) pasteKnown(y *tensor.Tensor) {
	if g.Mask != nil {
		paste(y, picture.Tensor(g.Start), greys(g.Mask))
		return
	}
	for i := range y.Shape[0] {
		c := g.Condition
		if each, ok := c.(Each); ok {
			c = each[i]
		}
		if c, ok := c.(Masked); ok {
			paste(one(y.Row(i)), picture.Tensor(c.Image), greys(c.Mask))
		}
	}
}

// repeat puts n copies of a row [1, ...] one behind the other.
func repeat(x *tensor.Tensor, n int) *tensor.Tensor {
	out := tensor.New(append([]int{n}, x.Shape[1:]...)...)
	for i := range n {
		copy(out.Row(i).F32, x.F32)
	}
	return out
}
