package tiles

import (
	"math"
	"strconv"
	"sync"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/tensor"
)

// moments are the sums of each channel's values and of their squares.
type moments struct {
	sum, square []float64
	n           int // pixels
}

func newMoments(channels int) *moments {
	return &moments{sum: make([]float64, channels), square: make([]float64, channels)}
}

// strips is into how many parts a sum is cut, whatever the processors, so that it has
// one order.
const strips = 8

// add adds a cell of a tile's result [1, h, w, C].
func (m *moments) add(y *tensor.Tensor, c cell) {
	width, channels := y.Shape[2], y.Shape[3]
	m.rows(c.h, func(i int) []float32 {
		return y.F32[((c.y+i)*width+c.x)*channels:][:c.w*channels]
	})
	m.n += c.h * c.w
}

// addPlane adds a whole plane.
func (m *moments) addPlane(p *plane) {
	m.rows(p.h, p.row)
	m.n += p.h * p.w
}

// rows adds n rows.
func (m *moments) rows(n int, row func(i int) []float32) {
	var parts [strips]*moments
	var wg sync.WaitGroup
	for s := range parts {
		parts[s] = newMoments(len(m.sum))
		wg.Go(func() {
			for i := s * n / strips; i < (s+1)*n/strips; i++ {
				parts[s].row(row(i))
			}
		})
	}
	wg.Wait()
	for _, p := range parts {
		for c := range m.sum {
			m.sum[c] += p.sum[c]
			m.square[c] += p.square[c]
		}
	}
}

func (m *moments) row(x []float32) {
	channels := len(m.sum)
	for len(x) >= channels && channels > 0 {
		sum, square := m.sum, m.square[:len(m.sum)]
		for c, v := range x[:channels] {
			v := float64(v)
			sum[c] += v
			square[c] += v * v
		}
		x = x[channels:]
	}
}

func inputName(what string, norm int) string { return what + strconv.Itoa(norm) }

// fill sets the inputs of norm number i: for each channel its group's mean and
// 1/√(variance + ε).
func (m *moments) fill(p engine.Program, i int) {
	mean, inverse := p.Input(inputName("mean", i)).F32, p.Input(inputName("inverse", i)).F32
	size := len(m.sum) / autoencoder.Groups
	for g := range autoencoder.Groups {
		var sum, square float64
		for c := g * size; c < (g+1)*size; c++ {
			sum += m.sum[c]
			square += m.square[c]
		}
		n := float64(m.n) * float64(size)
		mu := sum / n
		variance := max(square/n-mu*mu, 0)
		for c := g * size; c < (g+1)*size; c++ {
			mean[c], inverse[c] = float32(mu), float32(1/math.Sqrt(variance+autoencoder.Eps))
		}
	}
}
