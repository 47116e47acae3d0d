package gemm

import (
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, arXiv 1509.09308):
// with d a 6x6 tile of the picture and g a 3x3 filter, 4x4 results are
//
//	Y = Aᵀ [ (G g Gᵀ) ∘ (Bᵀ d B) ] A
//
// 36 products in place of 144. Summed over channels, the 36 elements ξ are 36
// matrix products [tiles, C]·[C, O]. The results differ from those of direct
// sums by about 3e-6 of the largest: the transforms multiply by up to 8.
//
// Tiles are taken in rounds, so that what lies between the three phases (V =
// BᵀdB and M = V·U) stays in the caches. Filters are transformed in every
// round, next to where they are used: in memory they would be four times as
// large as the weights, and slower to read than to make.
type winogradPlan struct {
	kernel
	conv           Conv
	oh, ow         int
	across, down   int // tiles in a row and in a column of a picture
	panels, groups int
	flipped        bool // the filter is turned by 180°, as the gradient to the picture wants
	round          int  // tiles
	zero           []float32
	workers        []winogradWorker
}

const (
	winoTile = 6 // side of a tile of the picture
	winoOut  = 4 // side of its results
	winoAll  = winoTile * winoTile
)

type winogradWorker struct {
	in       winoInArgs
	filters  winoFilterArgs
	out      winoOutArgs
	dot      dotArgs
	table    []uintptr
	pixels   [winoAll]uintptr
	results  [winoOut * winoOut]uintptr
	tmp      [winoAll * 16]float32
	filter   []float32 // one row of U for one panel: [6][C][cols], in the scratch memory
	bias     [maxCols]float32
	partial  [maxRows * maxCols]float32
	biasLong []float32 // of all output channels, for whole vectors

	outer   outerArgs // of the gradient to the weights
	segment []segment
	masks   [16]int32
	sums    []float32 // [9][rows][cols]
}

// winoVBytes bounds the part of V that the products of one task go through.
const winoVBytes = 1 << 20

func planWinograd(c Conv, w weights, flipped bool, workers int, k kernel) *Plan {
	p := newWinograd(c, flipped, workers, k)
	for i := range p.workers {
		p.workers[i].table = make([]uintptr, k.rows)
		p.workers[i].biasLong = make([]float32, roundUp(c.O, 16))
	}
	return &Plan{
		Algorithm:  k.name + " Winograd F(4x4,3x3)",
		PackedLen:  p.panels * 9 * c.C * k.cols,
		ScratchLen: winoAll*p.round*(c.C+c.O) + len(p.workers)*winoTile*c.C*k.cols,
		pack:       func(dst, raw []float32) []par.Phase { return packPanels(dst, raw, w, k.cols) },
		bind:       p.bind,
	}
}

func newWinograd(c Conv, flipped bool, workers int, k kernel) *winogradPlan {
	oh, ow := c.OutSize()
	p := &winogradPlan{kernel: k, conv: c, oh: oh, ow: ow, flipped: flipped}
	p.across, p.down = ceilDiv(ow, winoOut), ceilDiv(oh, winoOut)
	p.panels = ceilDiv(c.O, k.cols)
	p.groups = min(p.panels, 2)
	p.round = roundUp(min(max(winoVBytes/(winoTile*c.C*4), 36), p.tiles()), k.rows)
	p.zero = make([]float32, roundUp(c.C, 16)+maxRows)
	p.workers = make([]winogradWorker, max(workers, 1))
	return p
}

// tiles of all pictures.
func (p *winogradPlan) tiles() int { return p.conv.N * p.across * p.down }

func (p *winogradPlan) bind(a Args) []par.Phase {
	v := a.Scratch[:winoAll*p.round*p.conv.C]
	m := a.Scratch[len(v):][:winoAll*p.round*p.conv.O]
	row := winoTile * p.conv.C * p.kernel.cols
	for i := range p.workers {
		p.workers[i].filter = a.Scratch[len(v)+len(m)+i*row:][:row]
	}
	const block = 4 // tiles in a task of the transforms
	var phases []par.Phase
	for first := 0; first < p.tiles(); first += p.round {
		n := min(p.round, p.tiles()-first)
		phases = append(phases,
			par.Phase{Name: "winograd input", Tasks: ceilDiv(n, block), Run: func(task, worker int) {
				for t := task * block; t < min((task+1)*block, n); t++ {
					p.transformInput(&p.workers[worker], a.X, v, p.conv.C, first+t, t)
				}
			}},
			par.Phase{Name: "winograd products", Tasks: winoTile * p.groups, Run: func(task, worker int) {
				p.products(&p.workers[worker], a.W, v, m, task/p.groups, task%p.groups, n)
			}},
			par.Phase{Name: "winograd output", Tasks: ceilDiv(n, block), Run: func(task, worker int) {
				for t := task * block; t < min((task+1)*block, n); t++ {
					p.transformOutput(&p.workers[worker], &a, m, first+t, t)
				}
			}},
		)
	}
	return phases
}

// at is the picture and the first result's row and column of a tile.
func (p *winogradPlan) at(tile int) (n, y, x int) {
	return tile / (p.across * p.down), tile / p.across % p.down * winoOut, tile % p.across * winoOut
}

// transformInput writes V[ξ][t][c] of one tile; a row of V has pitch numbers.
func (p *winogradPlan) transformInput(w *winogradWorker, x, v []float32, pitch, tile, t int) {
	c := &p.conv
	n, y0, x0 := p.at(tile)
	y0, x0 = y0-c.PadTop, x0-c.PadLeft
	zero := addressOf(p.zero)
	up := c.up()
	width := c.W / up
	picture := addressOf(x) + uintptr(n*(c.H/up)*width*c.C*4)
	for i := range winoAll {
		iy, ix := y0+i/winoTile, x0+i%winoTile
		w.pixels[i] = zero
		if uint(iy) < uint(c.H) && uint(ix) < uint(c.W) {
			w.pixels[i] = picture + uintptr((iy/up*width+ix/up)*c.C*4)
		}
	}
	w.in = winoInArgs{
		pixels: &w.pixels[0], channels: c.C, dst: addressOf(v[t*pitch:]), stride: p.round * pitch * 4, tmp: &w.tmp[0],
	}
	p.winograd.input(&w.in)
}

// products multiplies row i of V by row i of U for one group of panels: the six
// elements ξ = (i, 0…5) of M.
func (p *winogradPlan) products(w *winogradWorker, packed, v, m []float32, i, group, n int) {
	c, o, cols := p.conv.C, p.conv.O, p.kernel.cols
	for panel := group * p.panels / p.groups; panel < (group+1)*p.panels/p.groups; panel++ {
		w.filters = winoFilterArgs{
			src: &packed[panel*9*c*cols], tap: c * cols * 4, dst: &w.filter[0], row: &winoG[i], words: c * cols, flipped: p.flip(),
		}
		p.winograd.filter(&w.filters)
		w.dot = dotArgs{
			table: &w.table[0], taps: 1, depth: c, bias: &w.bias[0],
			stride: o * 4, mask: lowMask(min(cols, o-panel*cols)), partial: &w.partial[0],
		}
		for j := range winoTile {
			xi := i*winoTile + j
			w.dot.b = &w.filter[j*c*cols]
			for t := 0; t < n; t += p.kernel.rows {
				p.tile(w, v[xi*p.round*c:], m[xi*p.round*o+panel*cols:], t, min(p.kernel.rows, n-t))
			}
		}
	}
}

func (p *winogradPlan) flip() int {
	if p.flipped {
		return 1
	}
	return 0
}

// tile multiplies some rows of V by a panel.
func (p *winogradPlan) tile(w *winogradWorker, v, m []float32, t, n int) {
	at := addressOf(v) + uintptr(t*p.conv.C*4)
	for r := range w.table {
		w.table[r] = at + uintptr(min(r, n-1)*p.conv.C*4)
	}
	w.dot.y = addressOf(m) + uintptr(t*p.conv.O*4)
	w.dot.valid = n
	p.kernel.dot(&w.dot)
	if p.kernel.name == "avx2" && w.dot.mask != lowMask(p.kernel.cols) {
		storePartial(&w.dot, p.kernel.cols)
	}
}

// transformOutput makes the results of one tile of M[ξ][t][o].
func (p *winogradPlan) transformOutput(w *winogradWorker, a *Args, m []float32, tile, t int) {
	o := p.conv.O
	n, y0, x0 := p.at(tile)
	base := addressOf(a.Y)
	for i := range w.results {
		y, x := y0+i/winoOut, x0+i%winoOut
		w.results[i] = 0
		if y < p.oh && x < p.ow {
			w.results[i] = base + uintptr(((n*p.oh+y)*p.ow+x)*o*4)
		}
	}
	w.out = winoOutArgs{
		src: addressOf(m[t*o:]), stride: p.round * o * 4, channels: o, results: &w.results[0], bias: &w.biasLong[0], tmp: &w.tmp[0],
	}
	if a.Bias != nil {
		copy(w.biasLong, a.Bias[:o])
	} else {
		clear(w.biasLong)
	}
	if a.Add != nil {
		w.out.add, w.out.delta = 1, addressOf(a.Add)-base
	}
	p.winograd.output(&w.out)
}
