package sampler

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Karras are n noise levels evenly spread in σ^(1/ρ), ρ being usually 7 (Karras et
// al., arXiv 2206.00364, equation 5).
func Karras(n int, least, most, rho float64) []float64 {
	from, to := math.Pow(most, 1/rho), math.Pow(least, 1/rho)
	return spread(n, func(share float64) float64 { return math.Pow(from+share*(to-from), rho) })
}

// Exponential are n noise levels evenly spread in ln σ.
func Exponential(n int, least, most float64) []float64 { return Polyexponential(n, least, most, 1) }

// Polyexponential are n noise levels whose ln σ falls as a power ρ of a line
// (k-diffusion's get_sigmas_polyexponential).
func Polyexponential(n int, least, most, rho float64) []float64 {
	from, to := math.Log(most), math.Log(least)
	return spread(n, func(share float64) float64 { return math.Exp(to + math.Pow(1-share, rho)*(from-to)) })
}

// VP are n noise levels of a variance preserving process whose β rises linearly, at
// even times from 1 to eps (Song et al., arXiv 2011.13456, equation 33; k-diffusion's
// get_sigmas_vp, by default with 19.9, 0.1 and 0.001).
func VP(n int, rise, least, eps float64) []float64 {
	return spread(n, func(share float64) float64 {
		t := 1 + share*(eps-1)
		return math.Sqrt(math.Expm1(rise*t*t/2 + least*t))
	})
}

// Beta are n noise levels at even quantiles of a beta distribution, usually with 0.6
// and 0.6 (Lee et al., arXiv 2407.12173), as AUTOMATIC1111's program has them.
func Beta(n int, least, most, alpha, beta float64) []float64 {
	return spread(n, func(share float64) float64 { return least + quantile(alpha, beta, 1-share)*(most-least) })
}

// quantile is where a beta distribution has passed the share p.
func quantile(alpha, beta, p float64) float64 {
	switch {
	case p <= 0 || p >= 1:
		return min(max(p, 0), 1)
	case alpha == beta && p == .5:
		return .5 // exactly: timesteps are rounded from it
	}
	return mathext.InvRegIncBeta(alpha, beta, p)
}

// KLOptimal are n noise levels whose arc tangents are evenly spread (Sabour et al.,
// arXiv 2404.14507, equation 14).
func KLOptimal(n int, least, most float64) []float64 {
	from, to := math.Atan(most), math.Atan(least)
	return spread(n, func(share float64) float64 { return math.Tan(from + share*(to-from)) })
}

// LogLinear are n noise levels on the line through the given ones, in ln σ; the
// last one alone where n is 1.
func LogLinear(n int, levels []float64) []float64 {
	if n == 1 {
		return levels[len(levels)-1:]
	}
	return spread(n, func(share float64) float64 {
		at := share * float64(len(levels)-1)
		i := min(int(at), len(levels)-2)
		if at == float64(i) {
			return levels[i]
		}
		from, to := math.Log(levels[i]), math.Log(levels[i+1])
		return math.Exp(from + (at-float64(i))*(to-from))
	})
}

// LinearQuadratic are n noise levels that fall linearly by a 40th, for the first
// half of them, and then faster (ComfyUI's linear_quadratic).
func LinearQuadratic(n int, most float64) []float64 {
	const threshold = .025
	levels := make([]float64, n)
	linear := n / 2
	quadratic := float64(n - linear)
	l := float64(linear)
	bend := l - threshold*float64(n)
	for i := range levels {
		v := float64(i)
		fallen := 0.0
		switch {
		case n == 1:
		case i < linear:
			fallen = v * threshold / l
		default:
			c := bend / (l * quadratic * quadratic)
			fallen = c*v*v + (threshold/l-2*bend/(quadratic*quadratic))*v + c*l*l
		}
		levels[i] = most * (1 - fallen)
	}
	return levels
}

// spread are n values at the shares 0 to 1; at 0 alone where n is 1.
func spread(n int, at func(share float64) float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = at(float64(i) / float64(max(n-1, 1)))
	}
	return out
}
