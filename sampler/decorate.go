package sampler

import (
	"context"
	"math"
	"slices"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Keep makes a denoiser see the known latent x0 [N, H, W, C], noised to the level
// of t by fresh noise in every call, where mask [N, H, W, 1] is 1, as the
// reference's samplers do with a mask: what is made there fits to it. Between 0
// and 1 the two are blended.
func Keep(d Denoiser, s *diffusion.Schedule, mask, x0 *tensor.Tensor, noise Noise) Denoiser {
	var known *tensor.Tensor
	return func(ctx context.Context, x *tensor.Tensor, t float64) (Prediction, error) {
		if err := checkMask(mask, x0, x); err != nil {
			return Prediction{}, err
		}
		if known == nil {
			known = tensor.New(x.Shape...)
		}
		noise(known, 0, 0)
		alpha, std := s.Coefficients(t)
		a, b := float32(alpha), float32(std)
		c := x.Shape[3]
		for i, e := range known.F32 {
			m := mask.F32[i/c]
			x.F32[i] = (a*x0.F32[i]+b*e)*m + (1-m)*x.F32[i]
		}
		return d(ctx, x, t)
	}
}

// Blend puts the known latent x0 into a denoiser's predictions where mask is 1,
// so that every sampler ends at it there; shapes as in Keep.
func Blend(d Denoiser, s *diffusion.Schedule, mask, x0 *tensor.Tensor) Denoiser {
	return func(ctx context.Context, x *tensor.Tensor, t float64) (Prediction, error) {
		if err := checkMask(mask, x0, x); err != nil {
			return Prediction{}, err
		}
		p, err := d(ctx, x, t)
		if err != nil {
			return p, err
		}
		alpha, std := s.Coefficients(t)
		a, b := float32(alpha), float32(std)
		c := x.Shape[3]
		for i, z := range x0.F32 {
			m := mask.F32[i/c]
			p.X0.F32[i] = z*m + (1-m)*p.X0.F32[i]
			p.Eps.F32[i] = (x.F32[i]-a*z)/b*m + (1-m)*p.Eps.F32[i]
		}
		return p, nil
	}
}

func checkMask(mask, x0, x *tensor.Tensor) error {
	n := x.Shape
	if !x0.Shape.Equal(n) || !mask.Shape.Equal(tensor.Shape{n[0], n[1], n[2], 1}) {
		return fault.Inputf("a mask of %v and a known latent of %v do not fit latents of %v: want %v and %v", mask.Shape, x0.Shape, n, tensor.Shape{n[0], n[1], n[2], 1}, n)
	}
	return nil
}

// Quantised makes a denoiser's clean latents go through f in place, as VQ first
// stages move them to their codebook. The predicted noise stays, as in the
// reference.
func Quantised(d Denoiser, f func(x0 *tensor.Tensor) error) Denoiser {
	return func(ctx context.Context, x *tensor.Tensor, t float64) (Prediction, error) {
		p, err := d(ctx, x, t)
		if err == nil {
			err = f(p.X0)
		}
		return p, err
	}
}

// Clipped keeps a denoiser's clean latents between -1 and 1, as DDPM does for
// pixels (clip_denoised). The predicted noise stays.
func Clipped(d Denoiser) Denoiser {
	return Quantised(d, func(x0 *tensor.Tensor) error {
		for i, v := range x0.F32 {
			x0.F32[i] = min(max(v, -1), 1)
		}
		return nil
	})
}

// Thresholded clips each picture's clean latents to a quantile of their absolute
// values, at most limit and at least 1, and divides by it (Saharia et al., arXiv
// 2205.11487, section 2.3: dynamic thresholding). The predicted noise stays.
func Thresholded(d Denoiser, quantile, limit float64) Denoiser {
	var sorted []float64
	return Quantised(d, func(x0 *tensor.Tensor) error {
		for n := range x0.Shape[0] {
			row := x0.Row(n).F32
			sorted = sorted[:0]
			for _, v := range row {
				sorted = append(sorted, math.Abs(float64(v)))
			}
			slices.Sort(sorted)
			at := quantile * float64(len(sorted)-1)
			i := int(at)
			s := sorted[i]
			if i+1 < len(sorted) {
				s += (at - float64(i)) * (sorted[i+1] - s)
			}
			s = min(max(s, 1), max(limit, 1))
			for j, v := range row {
				row[j] = float32(min(max(float64(v), -s), s) / s)
			}
		}
		return nil
	})
}
