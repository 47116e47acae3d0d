package metric

import (
	"fmt"
	"math"
)

// The constants of Wang et al. 2004: a window of ssimWindow x ssimWindow
// pixels with Gaussian weights of standard deviation ssimSigma pixels, and
// the two that keep the quotients steady, (K*range)^2 for a dynamic range of 2.
const (
	ssimWindow = 11
	ssimSigma  = 1.5
	ssimC1     = (0.01 * 2) * (0.01 * 2)
	ssimC2     = (0.03 * 2) * (0.03 * 2)
)

// SSIM is the mean structural similarity index, without unit, of two pictures
// [h, w, c] in [-1, 1], after both are limited to that range: 1 for equal
// ones, less for others, at worst below 0. It is an error if the pictures are
// smaller than 11 x 11 or have not h*w*c values each.
//
// The index is that of Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli,
// "Image Quality Assessment: From Error Visibility to Structural Similarity",
// IEEE Transactions on Image Processing 13(4), 2004: 11 x 11 Gaussian windows
// with sigma 1.5, K1 = 0.01, K2 = 0.03, averaged over the windows wholly inside
// the picture and over the channels. The index depends on where zero lies: the
// pictures are shifted to [0, 2], which gives the value usually published, that
// of pictures in [0, 1] or [0, 255]. It equals scikit-image's
// structural_similarity of both plus 1 with gaussian_weights=True,
// use_sample_covariance=False, data_range=2 and channel_axis=2.
func SSIM(a, b []float32, h, w, c int) (float64, error) {
	if h < ssimWindow || w < ssimWindow || c < 1 {
		return 0, fmt.Errorf("metric: SSIM of a picture [%d, %d, %d], smaller than [%d, %d, 1]",
			h, w, c, ssimWindow, ssimWindow)
	}
	for _, p := range [][]float32{a, b} {
		// The quotient is compared first, as the product may overflow.
		if len(p)/h/w != c || len(p) != h*w*c {
			return 0, fmt.Errorf("metric: SSIM of %d values as a picture [%d, %d, %d]", len(p), h, w, c)
		}
	}
	weights := gaussian()

	// For each row of windows the weighted sums down the columns come first,
	// then those along the row; the channels stay interleaved throughout.
	type moments struct{ a, b, aa, bb, ab float64 }
	n := w * c
	columns := make([]moments, n)
	var sum float64
	for y := range h - ssimWindow + 1 {
		clear(columns)
		for k, g := range weights {
			rowA := a[(y+k)*n:][:n]
			rowB := b[(y+k)*n:][:n]
			for i := range columns {
				va, vb := float64(limit(rowA[i]))+1, float64(limit(rowB[i]))+1
				ga, gb := g*va, g*vb
				m := &columns[i]
				m.a += ga
				m.b += gb
				m.aa += ga * va
				m.bb += gb * vb
				m.ab += ga * vb
			}
		}
		for i := range n - (ssimWindow-1)*c {
			var s moments
			for k, g := range weights {
				m := &columns[i+k*c]
				s.a += g * m.a
				s.b += g * m.b
				s.aa += g * m.aa
				s.bb += g * m.bb
				s.ab += g * m.ab
			}
			squareA, squareB, product := s.a*s.a, s.b*s.b, s.a*s.b
			sum += (2*product + ssimC1) * (2*(s.ab-product) + ssimC2) /
				((squareA + squareB + ssimC1) * (s.aa - squareA + s.bb - squareB + ssimC2))
		}
	}
	// All channels have equally many windows, so one mean serves for both.
	return sum / float64((h-ssimWindow+1)*(w-ssimWindow+1)*c), nil
}

// gaussian is one side of SSIM's separable window; its weights add up to 1.
func gaussian() [ssimWindow]float64 {
	var g [ssimWindow]float64
	var sum float64
	for i := range g {
		d := float64(i-ssimWindow/2) / ssimSigma
		g[i] = math.Exp(-d * d / 2)
		sum += g[i]
	}
	for i := range g {
		g[i] /= sum
	}
	return g
}
