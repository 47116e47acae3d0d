package sampler

import (
	"context"
	"math"
	"slices"

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
	// Scale is how far to go from the negative condition's output u to the
	// condition's: u + scale·(c - u). 1 is the condition alone, and 0 the negative.
	Scale float64
	// Weights are those of the conditions at places 1, 2, …: u + scale·Σ w·(c - u)
	// (Liu et al., arXiv 2206.01714, equation 11). None means one condition of weight 1.
	Weights []float64
	// Rescale, 0 to 1, is the share of a result whose deviation within a picture is
	// brought back to that of the condition's at place 1 (Lin et al., arXiv
	// 2305.08891, equations 15 and 16).
	Rescale float64
	// Between these timesteps, From ≥ t > To, there is guidance, and elsewhere the
	// conditions alone, at half the cost (Kynkäänniemi et al., arXiv 2404.07724).
	// Both 0 means everywhere; see Path.Between.
	From, To float64
}

// TextAndPicture is guidance by a text and by a picture (Brooks et al., arXiv
// 2211.09800, equation 3): place 1 has both, place 2 the picture alone, and place
// 0 neither.
func TextAndPicture(text, picture float64) Guidance {
	return Guidance{Scale: 1, Weights: []float64{text, picture - text}}
}

// Guided is the denoiser of a network with classifier-free guidance (Ho and
// Salimans, arXiv 2207.12598, equation 6; section 3.3 of the paper). Conditions
// whose outputs would count for nothing are not asked for: the negative one where
// the scale is 1. A denoiser keeps memory between calls, and is called by one
// goroutine at a time.
func Guided(net Network, s *diffusion.Schedule, g Guidance) Denoiser {
	var out *tensor.Tensor
	split := splitter(s)
	return func(ctx context.Context, x *tensor.Tensor, t float64) (Prediction, error) {
		want, weights := g.places(t)
		y, err := outputs(ctx, net, x, t, want...)
		if err != nil {
			return Prediction{}, err
		}
		if len(y) == 1 {
			return split(y[0], x, t), nil
		}
		if out == nil || !out.Shape.Equal(x.Shape) {
			out = tensor.New(x.Shape...)
		}
		combine(out.F32, y, want, weights)
		if one := slices.Index(want, 1); g.Rescale > 0 && one >= 0 {
			rescale(out, y[one], g.Rescale)
		}
		return split(out, x, t), nil
	}
}

// places lists the conditions that count at timestep t, and their weights.
func (g Guidance) places(t float64) (want []int, weights []float64) {
	scale := g.Scale
	if (g.From != 0 || g.To != 0) && !(g.From >= t && t > g.To) {
		scale = 1
	}
	all := g.Weights
	if len(all) == 0 {
		all = []float64{1}
	}
	negative := 1.0
	for i, w := range all {
		if w *= scale; w != 0 {
			want, weights = append(want, i+1), append(weights, w)
			negative -= w
		}
	}
	if negative != 0 || len(want) == 0 {
		want, weights = slices.Insert(want, 0, 0), slices.Insert(weights, 0, negative)
	}
	return want, weights
}

// combine writes u + Σ w·(c - u), or Σ w·c where the weights' sum is 1.
func combine(out []float32, y []*tensor.Tensor, want []int, weights []float64) {
	if want[0] != 0 {
		clear(out)
		for k, c := range y {
			add(out, weights[k], c.F32)
		}
		return
	}
	u := y[0].F32
	copy(out, u)
	for k, c := range y[1:] {
		w := float32(weights[k+1])
		for i, v := range c.F32 {
			out[i] += w * (v - u[i])
		}
	}
}

// rescale brings the deviation of each picture's values toward that of cond's.
func rescale(out, cond *tensor.Tensor, share float64) {
	for n := range out.Shape[0] {
		row := out.Row(n).F32
		if d := deviation(row); d > 0 {
			scale(row, share*deviation(cond.Row(n).F32)/d+1-share)
		}
	}
}

// deviation is the standard deviation with n - 1.
func deviation(x []float32) float64 {
	var sum, squares float64
	for _, v := range x {
		sum += float64(v)
	}
	mean := sum / float64(len(x))
	for _, v := range x {
		squares += (float64(v) - mean) * (float64(v) - mean)
	}
	return math.Sqrt(squares / float64(max(len(x)-1, 1)))
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
