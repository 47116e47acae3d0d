package gemm

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/indirect"
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
)

// method is a way to compute a convolution of float32 numbers, or a gradient.
type method int

const (
	direct     method = iota // the indirect product, of pixels or of gathered rows
	winograd22               // F(2x2,3x3)
	winograd44               // F(4x4,3x3)
)

// size is that of Winograd's algorithm.
func (m method) size(k kernels.Kernel) kernels.WinogradSize {
	if m == winograd22 {
		return kernels.WinogradF2(k)
	}
	return kernels.WinogradF4(k)
}

// winoChannels is the least number of channels for Winograd's algorithm: with
// fewer the products are shorter than what begins and ends them.
const winoChannels = 8

// winoSumsBytes bounds the sums of the gradient to the weights, whose memory is
// the number of elements ξ for every filter.
const winoSumsBytes = 72 << 20

// costs are what a method's parts take, in cycles, measured over the shapes of
// BenchmarkMethods but for NEON. They are the model's only numbers that are not counts.
type costs struct {
	dot, dotTile, address float64 // direct: a multiply-add of a vector; a tile of results; finding a row
	outer, segment        float64 // its gradient to the weights: a multiply-add; a run of points of a tile

	product, productTile float64 // Winograd: a multiply-add; a tile of M
	sum                  float64 // a multiply-add of the gradient to the weights
	tile                 float64 // finding the pixels and the results of a tile of the picture
	result               float64 // a vector of a filter's gradient, for each ξ

	transform, filter [3]float64 // of a vector of channels of a tile, and of filters, by method
}

var (
	costs512 = costs{
		dot: 1, dotTile: 1700, address: 9, outer: 1, segment: 25,
		product: 1.27, productTile: 150, sum: 1.33, tile: 205, result: 17,
		transform: [3]float64{winograd22: 5, winograd44: 104}, filter: [3]float64{winograd22: 63, winograd44: 94},
	}
	// Nobody has measured these: they are counted from the instructions of the kernels, at
	// two vectors multiplied, two loaded and one stored in a cycle, as Arm's Neoverse N1
	// Software Optimization Guide gives them. What plain Go takes is that of AVX2.
	costsNEON = costs{
		dot: 0.53, dotTile: 60, address: 19, outer: 0.55, segment: 10,
		product: 0.62, productTile: 40, sum: 0.7, tile: 330, result: 10,
		transform: [3]float64{winograd22: 18, winograd44: 90}, filter: [3]float64{winograd22: 40, winograd44: 84},
	}
	costs256 = costs{
		dot: 0.51, dotTile: 160, address: 19, outer: 0.9, segment: 5,
		product: 0.63, productTile: 25, sum: 1.13, tile: 330, result: 14,
		transform: [3]float64{winograd22: 5, winograd44: 71}, filter: [3]float64{winograd22: 51, winograd44: 125},
	}
)

// A costModel estimates the cycles that a picture takes by each method. It knows
// the shape of one picture and the kernel, so the choice is the same for any batch
// and any number of workers.
type costModel struct {
	costs
	k             kernels.Kernel
	conv          plans.Conv
	oh, ow        int
	panels, lanes int
	vectors       float64 // of output channels that are multiplied
	batch         int     // pictures that are taken to come together
}

func newCostModel(c plans.Conv, k kernels.Kernel) costModel {
	m := costModel{costs: costs256, k: k, conv: c, panels: plans.CeilDiv(c.O, k.Cols), lanes: k.Cols / 2, batch: 1}
	m.oh, m.ow = c.OutSize()
	m.vectors = float64(2 * m.panels)
	switch k.Name {
	case "neon":
		m.costs = costsNEON
	case "avx512":
		m.costs = costs512
		if rest := c.O % k.Cols; rest > 0 && rest <= m.lanes {
			m.vectors-- // the kernel of half a tile
		}
	}
	if c.Training {
		m.batch = plans.TrainingBatch
	}
	return m
}

// filled is the number of rows of a picture, with its share of those that are
// multiplied for nothing in the last tile.
func (m *costModel) filled(rows int) float64 {
	return float64(plans.RoundUp(rows*m.batch, m.k.Rows)) / float64(m.batch)
}

// rowTiles is the number of tiles of the input channels in a gradient to the weights.
func (m *costModel) rowTiles() float64 { return float64(plans.CeilDiv(m.conv.C, m.k.Rows)) }

// transforms is the cost of all transforms of a picture's tiles.
func (m *costModel) transforms(by method, tiles float64) float64 {
	vectors := float64(plans.CeilDiv(m.conv.C, m.lanes) + plans.CeilDiv(m.conv.O, m.lanes))
	return tiles * (m.tile + m.transform[by]*vectors)
}

// tiles is the number of tiles of a picture.
func (m *costModel) tiles(s kernels.WinogradSize) int {
	return plans.CeilDiv(m.oh, s.Out) * plans.CeilDiv(m.ow, s.Out)
}

// forward estimates a convolution, or a gradient to the picture as one.
func (m *costModel) forward(by method) float64 {
	c, rows := m.conv, float64(m.k.Rows)
	if by == direct {
		pixels, taps := m.filled(m.oh*m.ow), c.KH*c.KW
		depth, addresses := c.C*taps, float64(taps)
		if c.C < indirect.SmallDepth {
			depth, addresses = indirect.Gathered(c), 2*addresses // to gather, then to multiply
		}
		return pixels * (m.dot*float64(depth)*m.vectors + m.dotTile*float64(m.panels)/rows + m.address*addresses)
	}
	size := by.size(m.k)
	all, n := float64(size.All()), m.filled(m.tiles(size))
	return all*n*(m.product*float64(c.C)*m.vectors+m.productTile*float64(m.panels)/rows) +
		m.transforms(by, float64(m.tiles(size))) +
		m.filter[by]*float64(c.C*2*m.panels)/float64(m.batch)
}

// gradW estimates a gradient to the weights.
func (m *costModel) gradW(by method) float64 {
	c := m.conv
	if by == direct {
		points, segments := m.points()
		return m.rowTiles() * float64(m.panels) * (m.outer*float64(points*2*m.k.Rows) + m.segment*float64(segments))
	}
	size := by.size(m.k)
	all, n := float64(size.All()), float64(m.tiles(size))
	return m.sum*all*n*m.rowTiles()*float64(2*m.panels*m.k.Rows) +
		m.transforms(by, n) +
		m.result*all*float64(c.C*c.O/m.lanes)/float64(m.batch)
}

// points counts the points of a picture's outer products, which leave out those
// that a tap sees outside the picture, and the rows that they lie in.
func (m *costModel) points() (points, segments int) {
	c := m.conv
	columns := 0
	for kx := range c.KW {
		columns += inside(m.ow, c.Stride, kx-c.PadLeft, c.W)
	}
	for ky := range c.KH {
		segments += inside(m.oh, c.Stride, ky-c.PadTop, c.H)
	}
	return segments * columns, segments * c.KW
}

// inside counts the i < n with 0 <= i·stride+shift < size.
func inside(n, stride, shift, size int) (count int) {
	for i := range n {
		if at := i*stride + shift; at >= 0 && at < size {
			count++
		}
	}
	return count
}

// winogradFits tells whether Winograd's algorithm can compute a convolution.
func winogradFits(c plans.Conv, prec plans.Precision, k kernels.Kernel) bool {
	if k.Winograd == nil || prec == plans.Exact || c.KH != 3 || c.KW != 3 || c.Stride != 1 || c.C < winoChannels {
		return false
	}
	lanes := k.Winograd.Lanes
	least, most := min(c.PadTop, c.PadBottom, c.PadLeft, c.PadRight), max(c.PadTop, c.PadBottom, c.PadLeft, c.PadRight)
	return c.C%lanes == 0 && c.O%lanes == 0 && least >= 0 && most <= 2
}
