package gemm

import "github.com/ldm-go/ldm/engine/cpu/par"

// winogradGradW is the gradient to the weights, the adjoint of the forward
// pass in its filters:
//
//	dg = Gᵀ [ Σ_tiles (Bᵀ d B) ∘ (A dY Aᵀ) ] G
//
// a product [C, tiles]·[tiles, O] for each of the 36 elements ξ. The tiles are
// taken in rounds, one after the other, so that the sums have one order.
type winogradGradW struct {
	winogradPlan
	out      layout
	rowTiles int // of channels
	pitch    int // channels, rounded up to whole rows of tiles
}

func planWinogradGradW(c Conv, out layout, workers int, k kernel) *Plan {
	p := &winogradGradW{winogradPlan: *newWinograd(c, false, workers, k), out: out}
	p.rowTiles = ceilDiv(c.C, k.rows)
	p.pitch = p.rowTiles * k.rows
	size := k.rows * k.cols
	for i := range p.workers {
		p.workers[i].sums = make([]float32, 9*size)
		p.workers[i].segment = make([]segment, 1)
	}
	p.zero = make([]float32, roundUp(max(c.C, c.O), 16)+maxRows)
	return &Plan{
		Algorithm:  k.name + " Winograd F(4x4,3x3) gradient",
		ScratchLen: winoAll * (p.round*(p.pitch+c.O) + p.rowTiles*p.panels*size),
		bind:       p.bind,
	}
}

func (p *winogradGradW) bind(a Args) []par.Phase {
	v := a.Scratch[:winoAll*p.round*p.pitch]
	d := a.Scratch[len(v):][:winoAll*p.round*p.conv.O]
	size := p.rowTiles * p.panels * p.kernel.rows * p.kernel.cols // of one ξ
	sums := a.Scratch[len(v)+len(d):][:winoAll*size]
	const block = 4
	var phases []par.Phase
	for first := 0; first < p.tiles(); first += p.round {
		n := min(p.round, p.tiles()-first)
		phases = append(phases,
			par.Phase{Name: "winograd input", Tasks: ceilDiv(n, block), Run: func(task, worker int) {
				for t := task * block; t < min((task+1)*block, n); t++ {
					p.transformInput(&p.workers[worker], a.X, v, p.pitch, first+t, t)
					p.transformGrad(&p.workers[worker], a.W, d, first+t, t)
				}
			}},
			par.Phase{Name: "winograd sums", Tasks: winoAll, Run: func(xi, worker int) {
				own := sums[xi*size:][:size]
				if first == 0 {
					clear(own)
				}
				p.addUp(&p.workers[worker], v[xi*p.round*p.pitch:], d[xi*p.round*p.conv.O:], own, n)
			}},
		)
	}
	return append(phases, par.Phase{Name: "winograd filters", Tasks: p.rowTiles * p.panels, Run: func(task, worker int) {
		p.store(&p.workers[worker], a.Y, sums, size, task)
	}})
}

// transformGrad writes (A dY Aᵀ)[ξ][t][o] of one tile.
func (p *winogradGradW) transformGrad(w *winogradWorker, dy, d []float32, tile, t int) {
	o := p.conv.O
	n, y0, x0 := p.at(tile)
	zero, base := addressOf(p.zero), addressOf(dy)
	for i := range w.results {
		y, x := y0+i/winoOut, x0+i%winoOut
		w.results[i] = zero
		if y < p.oh && x < p.ow {
			w.results[i] = base + uintptr(((n*p.oh+y)*p.ow+x)*o*4)
		}
	}
	w.in = winoInArgs{
		pixels: &w.results[0], channels: o, dst: addressOf(d[t*o:]), stride: p.round * o * 4, tmp: &w.tmp[0],
	}
	p.winograd.grad(&w.in)
}

// addUp adds the products of some tiles, points of the sum, to the sums of one ξ.
func (p *winogradGradW) addUp(w *winogradWorker, v, d, sums []float32, points int) {
	cols := p.kernel.cols
	for row := range p.rowTiles {
		for panel := range p.panels {
			n := min(cols, p.conv.O-panel*cols)
			w.masks = laneMasks(n)
			w.segment[0] = segment{x: addressOf(v[row*p.kernel.rows:]), d: addressOf(d[panel*cols:]), count: points}
			w.outer = outerArgs{
				segments: &w.segment[0], count: 1, strideX: p.pitch * 4, strideD: p.conv.O * 4,
				y: &sums[(row*p.panels+panel)*p.kernel.rows*cols], mask: lowMask(n), masks: &w.masks,
			}
			p.kernel.outer(&w.outer)
		}
	}
}

// store makes the filters of one tile of channels and one panel.
func (p *winogradGradW) store(w *winogradWorker, dw, sums []float32, size, task int) {
	rows, cols := p.kernel.rows, p.kernel.cols
	row, panel := task/p.panels, task%p.panels
	w.filters = winoFilterArgs{src: &sums[task*rows*cols], tap: size * 4, dst: &w.sums[0], words: rows * cols}
	p.winograd.filterGrad(&w.filters)
	for tap := range 9 {
		for r := range min(rows, p.conv.C-row*rows) {
			at := (row*rows+r)*p.out.row + panel*cols*p.out.col + tap*p.out.tap
			for _, g := range w.sums[(tap*rows+r)*cols:][:min(cols, p.conv.O-panel*cols)] {
				dw[at] = g
				at += p.out.col
			}
		}
	}
}
