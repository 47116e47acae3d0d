package degradation

import (
	"math"

	"github.com/ldm-go/ldm/tensor"
)

// variant are the constants in which the reference's two chains differ.
type variant struct {
	blurs         int     // of the two, how many are there
	width         float64 // of the blurs' Gaussians, as a factor
	kernels       func(s tensor.Stream, anisotropic bool) int
	scaled        float64 // chance that the second reduction interpolates
	noise         [2]int  // least and largest deviation, of 255
	jpegQuality   [2]int
	jpegChance    float64 // of the JPEG among the shuffled steps; the last one always is
	firstHalfOdds float64 // chance of a reduction by 2 before everything, at factor 4
}

var (
	bsr = variant{
		blurs: 2, width: 1, scaled: .75, noise: [2]int{2, 25}, jpegQuality: [2]int{30, 95}, jpegChance: .9, firstHalfOdds: .25,
		kernels: func(s tensor.Stream, _ bool) int { return 2*between(s, 2, 11) + 3 },
	}
	bsrLight = variant{
		blurs: 1, width: .25, scaled: .8, noise: [2]int{1, 2}, jpegQuality: [2]int{80, 95}, jpegChance: .9, firstHalfOdds: .25,
		kernels: func(s tensor.Stream, anisotropic bool) int {
			if anisotropic {
				return between(s, 2, 11) + 3
			}
			return between(s, 2, 4) + 3
		},
	}
)

// between draws a whole number from lo to hi, both among them.
func between(s tensor.Stream, lo, hi int) int { return lo + s.IntN(hi-lo+1) }

func uniform(s tensor.Stream, lo, hi float64) float64 { return lo + (hi-lo)*s.Float64() }

// The steps that are shuffled.
const (
	firstBlur = iota
	secondBlur
	reduction
	lastReduction
	noise
	jpegStep
	camera // of the reference's list, where it does nothing
	steps
)

// apply runs the chain. Its result has the sides of x divided by factor.
func (v variant) apply(x pixels, factor int, s tensor.Stream) pixels {
	w, h := x.w/factor, x.h/factor
	if factor == 4 && s.Float64() < v.firstHalfOdds {
		if s.Float64() < .5 {
			x = x.resize(x.w/2, x.h/2, anyInterpolation(s))
		} else {
			x = x.matlabResize(.5)
		}
		x.clip()
		factor = 2
	}
	for _, step := range order(s) {
		switch {
		case step == firstBlur, step == secondBlur && v.blurs == 2:
			x = x.convolve(v.blurKernel(factor, s))
		case step == reduction:
			x = v.reduce(x, factor, s)
		case step == lastReduction:
			x = x.resize(w, h, anyInterpolation(s))
			x.clip()
		case step == noise:
			v.addNoise(x, s)
		case step == jpegStep && s.Float64() < v.jpegChance:
			x = x.jpeg(between(s, v.jpegQuality[0], v.jpegQuality[1]))
		}
	}
	return x.jpeg(between(s, v.jpegQuality[0], v.jpegQuality[1]))
}

// order shuffles the steps, but the last reduction comes behind the other.
func order(s tensor.Stream) []int {
	list := s.Perm(steps)
	var a, b int
	for i, step := range list {
		switch step {
		case reduction:
			a = i
		case lastReduction:
			b = i
		}
	}
	if a > b {
		list[a], list[b] = list[b], list[a]
	}
	return list
}

// blurKernel is a Gaussian, as often stretched in some direction as round.
func (v variant) blurKernel(factor int, s tensor.Stream) kernel {
	if s.Float64() < .5 {
		wide := (4 + float64(factor)) * v.width
		l1, l2 := wide*s.Float64(), wide*s.Float64()
		return anisotropicGaussian(v.kernels(s, true), s.Float64()*math.Pi, l1, l2)
	}
	size := v.kernels(s, false)
	return gaussian(size, (2+.2*float64(factor))*v.width*s.Float64())
}

// reduce is the first of the two reductions: to any size, or by the factor after a
// blur.
func (v variant) reduce(x pixels, factor int, s tensor.Stream) pixels {
	if s.Float64() < v.scaled {
		by := uniform(s, 1, 2*float64(factor))
		x = x.resize(max(int(float64(x.w)/by), 1), max(int(float64(x.h)/by), 1), anyInterpolation(s))
	} else {
		k := gaussian(25, uniform(s, .1, .6*float64(factor))).shifted(factor)
		x = x.convolve(k).every(factor)
	}
	x.clip()
	return x
}
