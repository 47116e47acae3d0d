package winograd

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// winogradGradW is the gradient to the weights, the adjoint of the forward
// pass in its filters:
//
//	dg = Gᵀ [ Σ_tiles (Bᵀ d B) ∘ (A dY Aᵀ) ] G
//
// a product [C, tiles]·[tiles, O] for each of the elements ξ. The tiles are
// taken in rounds, one after the other, so that the sums have one order.
type winogradGradW struct {
	winogradPlan
	rowTiles   int // of channels
	rowV, rowD int // numbers from one tile to the next in V and in A dY Aᵀ
}

// apart is the distance of rows of n numbers that a sum goes down: a multiple of
// 512 bytes would put them into few sets of the first-level cache.
func apart(n int) int {
	if n%128 == 0 {
		return n + 16
	}
	return n
}

// gradRound is about the number of tiles in a round: with fewer, the sums, which each
// round reads and writes, take the time; with more, what is summed does not stay in
// the caches. With many channels both are large, and as many tiles are taken as
// make both alike.
func gradRound(s kernels.WinogradSize, c plans.Conv) int {
	return max(64*36/s.All(), c.C*c.O/(c.C+c.O))
}

func PlanGrad(c plans.Conv, workers int, k kernels.Kernel, size kernels.WinogradSize) *plans.Plan {
	p := &winogradGradW{winogradPlan: *newWinograd(c, false, workers, k, size)}
	p.rowTiles = plans.CeilDiv(c.C, k.Rows)
	p.round = alike(p.tiles(), gradRound(size, c))
	p.rowV, p.rowD = apart(c.C), apart(c.O)
	p.pitchV, p.pitchM = spread(p.round*p.rowV), spread(p.round*p.rowD)
	block := k.Rows * k.Cols
	for i := range p.workers {
		p.workers[i].sums = make([]float32, 9*block)
		p.workers[i].segment = make([]kernels.Segment, 1)
	}
	return &plans.Plan{
		ScratchLen: size.All()*(p.pitchV+p.pitchM+p.rowTiles*p.panels*block) + kernels.MaxRows,
		Phases:     p.bind,
	}
}

func (p *winogradGradW) bind(a plans.Args) []par.Phase {
	all := p.size.All()
	size := p.rowTiles * p.panels * p.Kernel.Rows * p.Kernel.Cols // of one ξ
	sums := a.Scratch[:all*size]
	d := a.Scratch[len(sums):][:all*p.pitchM]
	v := a.Scratch[len(sums)+len(d):][:all*p.pitchV+kernels.MaxRows] // the last rows reach beyond C
	const block = 4
	var phases []par.Phase
	for first := 0; first < p.tiles(); first += p.round {
		n := min(p.round, p.tiles()-first)
		phases = append(phases,
			par.Phase{Name: "winograd input", Tasks: plans.CeilDiv(n, block), Run: func(task, worker int) {
				w := &p.workers[worker]
				for t := task * block; t < min((task+1)*block, n); t++ {
					p.transformInput(w, a.X, v, p.rowV, first+t, t)
					p.transformGrad(w, a.W, d, first+t, t)
				}
			}},
			par.Phase{Name: "winograd sums", Tasks: all, Run: func(xi, worker int) {
				own := sums[xi*size:][:size]
				if first == 0 {
					clear(own)
				}
				p.addUp(&p.workers[worker], v[xi*p.pitchV:], d[xi*p.pitchM:], own, n)
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
	p.findResults(w, kernels.AddressOf(dy), kernels.AddressOf(p.zero), tile)
	w.in = kernels.WinoInArgs{
		Pixels: &w.results[0], Channels: o, Dst: kernels.AddressOf(d[t*p.rowD:]), Stride: p.pitchM * 4, Tmp: &w.tmp[0],
		Ahead: p.size.Out * p.ow * o * 4,
	}
	p.size.Grad(&w.in)
}

// addUp adds the products of some tiles, points of the sum, to the sums of one ξ.
// Rows beyond the last channel have sums of what lies there, which nobody reads.
func (p *winogradGradW) addUp(w *winogradWorker, v, d, sums []float32, points int) {
	o, rows, cols := p.conv.O, p.Kernel.Rows, p.Kernel.Cols
	for row := range p.rowTiles {
		for panel := range p.panels {
			n := min(cols, o-panel*cols)
			w.masks = kernels.LaneMasks(n)
			w.segment[0] = kernels.Segment{X: kernels.AddressOf(v[row*rows:]), D: kernels.AddressOf(d[panel*cols:]), Count: points}
			w.outer = kernels.OuterArgs{
				Segments: &w.segment[0], Count: 1, StrideX: p.rowV * 4, StrideD: p.rowD * 4,
				Y: &sums[(row*p.panels+panel)*rows*cols], Mask: plans.LowMask(n), Masks: &w.masks,
			}
			p.Kernel.Outer(&w.outer)
		}
	}
}

// store makes the filters of one tile of channels and one panel.
func (p *winogradGradW) store(w *winogradWorker, dw, sums []float32, size, task int) {
	rows, cols := p.Kernel.Rows, p.Kernel.Cols
	row, panel := task/p.panels*rows, task%p.panels*cols
	n := min(rows, p.conv.C-row)
	for r := range n {
		w.filters = kernels.WinoFilterArgs{Src: &sums[(task*rows+r)*cols], Tap: size * 4, Dst: &w.sums[r*9*cols], Words: cols}
		p.size.FilterGrad(&w.filters)
	}
	pitch := p.conv.C * 9 // of the weights [O][C][9]
	plans.Transpose(dw[panel*pitch+row*9:], pitch, w.sums, cols, n*9, min(cols, p.conv.O-panel))
}
