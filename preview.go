package ldm

import (
	"context"
	"math"

	"github.com/ldm-go/ldm/tensor"
)

// rough is a linear map of a latent's channels, and a 1, to colours: [C+1][3].
type rough [][3]float64

// colours is the model's linear map of latents to colours: the least squares of
// what the first stage makes of the first latents that a preview is asked of.
func (m *Model) colours(ctx context.Context, z *tensor.Tensor) (rough, error) {
	m.previews.Lock()
	defer m.previews.Unlock()
	if m.rough == nil {
		one := tensor.Of(z.Row(0).F32, append([]int{1}, z.Shape[1:]...)...)
		y, err := m.decode(ctx, one)
		if err != nil {
			return nil, err
		}
		m.rough = fit(one, y, m.stage.Factor())
	}
	return m.rough, nil
}

// fit is the map with the least squared error between latents z [1, h, w, C] and
// the mean colours of the f x f pixels that each stands for in y [1, H, W, 3].
func fit(z, y *tensor.Tensor, f int) rough {
	h, w, c := z.Shape[1], z.Shape[2], z.Shape[3]
	n := c + 1
	sums := make([][]float64, n) // the normal equations: AᵀA beside AᵀB
	for i := range sums {
		sums[i] = make([]float64, n+3)
		sums[i][i] = 1e-6 * float64(h*w) // keeps channels without change from being singular
	}
	a := make([]float64, n+3)
	for cell := range h * w {
		for k := range c {
			a[k] = float64(z.F32[cell*c+k])
		}
		a[c] = 1
		for k := range 3 {
			a[n+k] = meanColour(y, cell/w*f, cell%w*f, f, k)
		}
		for i := range n {
			for j := range a {
				sums[i][j] += a[i] * a[j]
			}
		}
	}
	return solve(sums)
}

func meanColour(y *tensor.Tensor, top, left, f, k int) float64 {
	sum, c := 0.0, y.Shape[3]
	for i := range f * f {
		sum += float64(y.F32[((top+i/f)*y.Shape[2]+left+i%f)*c+min(k, c-1)])
	}
	return sum / float64(f*f)
}

// solve eliminates with pivots; s is [n][n+3].
func solve(s [][]float64) rough {
	n := len(s)
	for i := range n {
		pivot := i
		for j := i + 1; j < n; j++ {
			if math.Abs(s[j][i]) > math.Abs(s[pivot][i]) {
				pivot = j
			}
		}
		s[i], s[pivot] = s[pivot], s[i]
		for j := range n {
			if j == i || s[i][i] == 0 {
				continue
			}
			r := s[j][i] / s[i][i]
			for k := i; k < len(s[j]); k++ {
				s[j][k] -= r * s[i][k]
			}
		}
	}
	out := make(rough, n)
	for i := range out {
		for k := range 3 {
			if s[i][i] != 0 {
				out[i][k] = s[i][n+k] / s[i][i]
			}
		}
	}
	return out
}

// apply turns latents [N, h, w, C] into colours [N, h, w, 3].
func (r rough) apply(z *tensor.Tensor) *tensor.Tensor {
	c := len(r) - 1
	out := tensor.New(z.Shape[0], z.Shape[1], z.Shape[2], 3)
	for i := range z.F32 {
		if i%c > 0 {
			continue
		}
		for k := range 3 {
			v := r[c][k]
			for j := range c {
				v += r[j][k] * float64(z.F32[i+j])
			}
			out.F32[i/c*3+k] = float32(v)
		}
	}
	return out
}
