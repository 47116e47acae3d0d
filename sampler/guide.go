package sampler

import (
	"context"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Network is a network under several conditions: it gives its outputs, of the
// kind that the schedule knows (noise, x0 or v), for x [N, H, W, C] at timestep t
// under the conditions that want lists, by their places in a list of the
// caller's. By convention place 0 is the negative (or empty) condition and the
// others what the picture should be. All may be computed in one batch. The
// outputs hold until the next call.
type Network func(ctx context.Context, x *tensor.Tensor, t float64, want ...int) ([]*tensor.Tensor, error)

// Guidance says how a network's outputs under several conditions become one.
type Guidance struct {
	// Scale is how far to go from the negative condition's output to the
	// condition's: u + scale·(c - u). 1 is the condition alone, and 0 the negative.
	Scale float64
}

// Guided is the denoiser of a network with classifier-free guidance (Ho and
// Salimans, arXiv 2207.12598, equation 6; section 3.3 of the paper). Where the
// scale is 1 the negative condition is not asked for.
func Guided(net Network, s *diffusion.Schedule, g Guidance) Denoiser {
	if g.Scale == 1 {
		return Unguided(net, s, 1)
	}
	var out *tensor.Tensor
	split := splitter(s)
	return func(ctx context.Context, x *tensor.Tensor, t float64) (Prediction, error) {
		y, err := outputs(ctx, net, x, t, 0, 1)
		if err != nil {
			return Prediction{}, err
		}
		if out == nil || !out.Shape.Equal(x.Shape) {
			out = tensor.New(x.Shape...)
		}
		scale, c := float32(g.Scale), y[1].F32
		for i, u := range y[0].F32 {
			out.F32[i] = u + scale*(c[i]-u)
		}
		return split(out, x, t), nil
	}
}

// Unguided is the denoiser of a network under one condition, by its place.
func Unguided(net Network, s *diffusion.Schedule, place int) Denoiser {
	split := splitter(s)
	return func(ctx context.Context, x *tensor.Tensor, t float64) (Prediction, error) {
		y, err := outputs(ctx, net, x, t, place)
		if err != nil {
			return Prediction{}, err
		}
		return split(y[0], x, t), nil
	}
}

// outputs asks the network, and wants as many outputs as conditions.
func outputs(ctx context.Context, net Network, x *tensor.Tensor, t float64, want ...int) ([]*tensor.Tensor, error) {
	y, err := net(ctx, x, t, want...)
	if err != nil {
		return nil, err
	}
	if len(y) != len(want) {
		return nil, fault.Inputf("the network gave %d outputs for %d conditions", len(y), len(want))
	}
	for _, o := range y {
		if !o.Shape.Equal(x.Shape) {
			return nil, fault.Inputf("the network's output is %v for a latent of %v", o.Shape, x.Shape)
		}
	}
	return y, nil
}

// splitter turns outputs into predictions, in memory of its own.
func splitter(s *diffusion.Schedule) func(out, x *tensor.Tensor, t float64) Prediction {
	var p Prediction
	return func(out, x *tensor.Tensor, t float64) Prediction {
		if p.X0 == nil || !p.X0.Shape.Equal(x.Shape) {
			p = Prediction{tensor.New(x.Shape...), tensor.New(x.Shape...)}
		}
		s.Split(p.X0.F32, p.Eps.F32, out.F32, x.F32, t)
		return p
	}
}
