package winograd

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/tensor"
)

// Winograd's minimal filtering F(4x4, 3x3) and F(2x2, 3x3) (Lavin and Gray, arXiv
// 1509.09308): with d a tile of the picture and g a 3x3 filter, the results are
//
//	Y = Aᵀ [ (G g Gᵀ) ∘ (Bᵀ d B) ] A
//
// F(4x4) makes 4x4 results of a 6x6 tile with 36 products in place of 144, F(2x2)
// makes 2x2 of 4x4 with 16 in place of 36. Summed over channels, the elements ξ
// are as many matrix products [tiles, C]·[C, O]. F(4x4)'s results differ from exact
// ones by 3e-6 to 1e-5 of the largest, as its transforms multiply by up to 8;
// F(2x2)'s, which add and halve, by 3e-7 to 9e-7, no more than direct sums do.
//
// The work is cut in one of two ways, with the same bits. Few filters are
// transformed once, and a task then goes all the way with a block of tiles: see
// bindBlocks. Many would fill the caches, as they grow fourfold; then tiles are
// taken in rounds of three phases, so that what lies between them (V = BᵀdB and
// M = V·U) stays in the caches, and filters are transformed in every round, next to
// where they are used, which takes less time than to read them would.
type winogradPlan struct {
	kernels.Kernel
	size                kernels.WinogradSize
	conv                plans.Conv
	oh, ow              int
	across, down        int // tiles in a row and in a column of a picture
	panels, panelBlocks int
	deep                bool // all rows of a panel are taken one after the other
	flipped             bool // the filter is turned by 180°, as the gradient to the picture wants
	round               int  // tiles of a round, or of a block
	pitchV, pitchM      int  // numbers from one ξ to the next in V and M, see spread
	zero                []float32
	workers             []winogradWorker
}

type winogradWorker struct {
	in      kernels.WinoInArgs
	filters kernels.WinoFilterArgs
	out     kernels.WinoOutArgs
	dot     kernels.DotArgs
	table   []uintptr
	pixels  [kernels.WinoMaxTile * kernels.WinoMaxTile]uintptr
	results [kernels.WinoMaxOut * kernels.WinoMaxOut]uintptr
	tmp     []float32 // [ξ][16]
	filter  []float32 // one row of U for one panel: [tile][C][cols], in the scratch memory
	wide    []float32 // a panel of weights that are held in 16 bits
	v, m    []float32 // of a block: [ξ][round][C] and [ξ][round][cols], in the scratch memory
	noBias  [kernels.MaxCols]float32
	partial [kernels.MaxRows * kernels.MaxCols]float32
	bias    []float32 // of all output channels, for whole vectors

	outer   kernels.OuterArgs // of the gradient to the weights
	segment []kernels.Segment
	masks   [16]int32
	sums    []float32 // [rows][9][cols]
}

// winoVBytes is about the part of V that the products of one task of a round go
// through, for the second-level cache.
const winoVBytes = 768 << 10

// winoDeepBytes bounds V where the tasks take all rows of one panel before the
// next: its weights then come from memory once, and not once for every row.
const winoDeepBytes = 8 << 20

func Plan(c plans.Conv, w plans.Order, flipped bool, workers int, k kernels.Kernel, size kernels.WinogradSize) *plans.Plan {
	p := newWinograd(c, flipped, workers, k, size)
	plan := &plans.Plan{
		PackedLen: p.panels * p.panelLen(),
		HalfLen:   len(p.workers) * p.panelLen(),
		Packing:   plans.PackPanels(w, k.Cols, workers),
	}
	if n := p.blockTiles(); n > 0 {
		p.round, p.pitchV, p.pitchM = n, spread(n*c.C), spread(n*k.Cols)
		plan.ScratchLen = p.filtersLen() + len(p.workers)*p.blockLen()
		plan.Phases = p.bindBlocks
		return plan
	}
	most := max(winoVBytes/(size.Tile*c.C*4), 36)
	p.round = plans.RoundUp(alike(p.tiles(), most), k.Rows)
	p.pitchV, p.pitchM = spread(p.round*c.C), spread(p.round*c.O)
	if p.deep = size.All()*p.pitchV*4 <= winoDeepBytes; p.deep {
		p.panelBlocks = p.panels
	}
	plan.ScratchLen = size.All()*(p.pitchV+p.pitchM) + len(p.workers)*size.Tile*c.C*k.Cols
	plan.Phases = p.bind
	return plan
}

func newWinograd(c plans.Conv, flipped bool, workers int, k kernels.Kernel, size kernels.WinogradSize) *winogradPlan {
	oh, ow := c.OutSize()
	p := &winogradPlan{Kernel: k, size: size, conv: c, oh: oh, ow: ow, flipped: flipped}
	p.across, p.down = plans.CeilDiv(ow, size.Out), plans.CeilDiv(oh, size.Out)
	p.panels = plans.CeilDiv(c.O, k.Cols)
	p.panelBlocks = min(p.panels, 4)
	p.zero = plans.Zeros(plans.RoundUp(max(c.C, c.O), 16) + kernels.MaxRows)
	p.workers = make([]winogradWorker, max(workers, 1))
	for i := range p.workers {
		w := &p.workers[i]
		w.table = make([]uintptr, k.Rows)
		w.bias = make([]float32, plans.RoundUp(c.O, 16))
		w.tmp = tensor.Memory[float32](size.All() * 16)
	}
	return p
}

// spread is the least odd number of the cache's lines that hold n numbers, in
// numbers: the elements ξ of a tile, so far apart, then lie in different sets of
// the cache and do not push each other out.
func spread(n int) int { return (plans.CeilDiv(n, 16) | 1) * 16 }

// alike is the number of tiles in each of some rounds of about most tiles that are
// alike, as every round costs something whatever its tiles.
func alike(tiles, most int) int {
	rounds := max((tiles+most/2)/most, 1)
	return plans.CeilDiv(tiles, rounds)
}

// tiles of all pictures.
func (p *winogradPlan) tiles() int { return p.conv.N * p.across * p.down }

// panelLen is the number of weights of a panel.
func (p *winogradPlan) panelLen() int { return 9 * p.conv.C * p.Kernel.Cols }

// widening gives the workers room for weights that are held in 16 bits.
func (p *winogradPlan) widening(a plans.Args, scratch []float32) {
	for i := range p.workers {
		if a.Half != nil {
			p.workers[i].wide = scratch[i*p.panelLen():][:p.panelLen()]
		}
	}
}

func (p *winogradPlan) bind(a plans.Args) []par.Phase {
	c, all, tile := p.conv, p.size.All(), p.size.Tile
	v := a.Scratch[:all*p.pitchV]
	m := a.Scratch[len(v):][:all*p.pitchM]
	row := tile * c.C * p.Kernel.Cols
	for i := range p.workers {
		p.workers[i].filter = a.Scratch[len(v)+len(m)+i*row:][:row]
	}
	p.widening(a, a.Scratch[len(v)+len(m)+len(p.workers)*row:])
	const block = 4 // tiles in a task of the transforms
	var phases []par.Phase
	for first := 0; first < p.tiles(); first += p.round {
		n := min(p.round, p.tiles()-first)
		phases = append(phases,
			par.Phase{Name: "winograd input", Tasks: plans.CeilDiv(n, block), Run: func(task, worker int) {
				for t := task * block; t < min((task+1)*block, n); t++ {
					p.transformInput(&p.workers[worker], a.X, v, c.C, first+t, t)
				}
			}},
			par.Phase{Name: "winograd products", Tasks: tile * p.panelBlocks, Run: func(task, worker int) {
				row, block := task/p.panelBlocks, task%p.panelBlocks
				if p.deep {
					row, block = task%tile, task/tile
				}
				p.products(&p.workers[worker], &a, transformed{v, m, n}, row, block)
			}},
			par.Phase{Name: "winograd output", Tasks: plans.CeilDiv(n, block), Run: func(task, worker int) {
				w := &p.workers[worker]
				p.setBias(w, &a)
				for t := task * block; t < min((task+1)*block, n); t++ {
					p.transformOutput(w, &a, rowsOf{m[t*c.O:], c.O}, first+t, channels{0, c.O})
				}
			}},
		)
	}
	return phases
}

// transformed are V and M of n tiles.
type transformed struct {
	v, m []float32
	n    int
}

// rowsOf is a part of M: rows, one for each tile, pitch numbers apart.
type rowsOf struct {
	m     []float32
	pitch int
}

// products multiplies row i of V by row i of U for one block of panels: the
// elements ξ of a row of M.
func (p *winogradPlan) products(w *winogradWorker, a *plans.Args, of transformed, i, block int) {
	c, cols := p.conv.C, p.Kernel.Cols
	for panel := block * p.panels / p.panelBlocks; panel < (block+1)*p.panels/p.panelBlocks; panel++ {
		p.transformFilters(w, a, w.filter, panel, i)
		for j := range p.size.Tile {
			xi := i*p.size.Tile + j
			p.multiply(w, w.filter[j*c*cols:], of.v[xi*p.pitchV:], rowsOf{of.m[xi*p.pitchM+panel*cols:], p.conv.O}, panel, of.n)
		}
	}
}

// multiply is the product of n tiles of V with a panel of U for one ξ.
func (p *winogradPlan) multiply(w *winogradWorker, u, v []float32, out rowsOf, panel, n int) {
	c, rows, cols := p.conv.C, p.Kernel.Rows, p.Kernel.Cols
	w.dot = kernels.DotArgs{
		Table: &w.table[0], Taps: 1, Depth: c, B: &u[0], Bias: &w.noBias[0],
		Stride: out.pitch * 4, Mask: plans.LowMask(min(cols, p.conv.O-panel*cols)), Partial: &w.partial[0],
	}
	for t := 0; t < n; t += rows {
		w.dot.Valid = min(rows, n-t)
		at := kernels.AddressOf(v) + uintptr(t*c*4)
		for r := range w.table {
			w.table[r] = at + uintptr(min(r, w.dot.Valid-1)*c*4)
		}
		w.dot.Y = kernels.AddressOf(out.m) + uintptr(t*out.pitch*4)
		p.Kernel.Dot(&w.dot)
	}
}
