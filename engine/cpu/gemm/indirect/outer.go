package indirect

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// pointsPerBlock bounds the points whose rows stay in the first-level cache
// while all tiles of a task go over them. The kernels fetch the rows of the next
// block ahead, so many points on.
const pointsPerBlock = 64

// outerPlan sums outer products of pixels of x with pixels of dy: the gradient
// to the weights. A task owns one tap, one panel of columns and a few tiles of
// rows, and walks over all points in order.
type outerPlan struct {
	kernels.Kernel
	conv          plans.Conv
	out           plans.Layout
	oh, ow        int
	tiles, panels int
	tilesPerTask  int // tiles of a task
	rowsPerBlock  int // rows of pixels in a block of points
	workers       []outerWorker
}

type outerWorker struct {
	args     kernels.OuterArgs
	panel    kernels.PanelArgs
	segments []kernels.Segment
	d        []float32 // the block's part of dy: [points][cols]
	acc      []float32
	masks    [16]int32
}

func PlanOuter(c plans.Conv, out plans.Layout, workers int, k kernels.Kernel) *plans.Plan {
	p := &outerPlan{Kernel: k, conv: c, out: out}
	p.oh, p.ow = c.OutSize()
	p.tiles, p.panels = plans.CeilDiv(c.C, k.Rows), plans.CeilDiv(c.O, k.Cols)
	p.tilesPerTask = min(max(p.tiles*p.panels*c.KH*c.KW/8, 1), 16, p.tiles)
	p.rowsPerBlock = max(pointsPerBlock/p.ow, 1)
	p.workers = make([]outerWorker, max(workers, 1))
	for i := range p.workers {
		p.workers[i].segments = make([]kernels.Segment, max(p.rowsPerBlock, plans.CeilDiv(p.ow, pointsPerBlock)))
		p.workers[i].d = make([]float32, pointsPerBlock*k.Cols)
		p.workers[i].acc = make([]float32, p.tilesPerTask*k.Rows*k.Cols)
	}
	return &plans.Plan{Phases: p.bind}
}

func (p *outerPlan) bind(a plans.Args) []par.Phase {
	byTiles := plans.CeilDiv(p.tiles, p.tilesPerTask)
	taps := p.conv.KH * p.conv.KW
	return []par.Phase{{Name: "outer", Tasks: taps * p.panels * byTiles, Run: func(task, worker int) {
		p.task(&a, &p.workers[worker], task/(p.panels*byTiles), task/byTiles%p.panels, task%byTiles*p.tilesPerTask)
	}}}
}

func (p *outerPlan) task(a *plans.Args, w *outerWorker, tap, panel, first int) {
	last := min(first+p.tilesPerTask, p.tiles)
	size := p.Kernel.Rows * p.Kernel.Cols
	n := min(p.Kernel.Cols, p.conv.O-panel*p.Kernel.Cols)
	clear(w.acc)
	w.masks = kernels.LaneMasks(n)
	w.args = kernels.OuterArgs{
		Segments: &w.segments[0], StrideX: p.conv.Stride * p.conv.C * 4, StrideD: p.conv.O * 4,
		Mask: plans.LowMask(n), Masks: &w.masks,
	}
	if p.Kernel.Panel != nil {
		w.panel = kernels.PanelArgs{Dst: &w.d[0], Segments: &w.segments[0], Stride: p.conv.O * 4, Mask: plans.LowMask(n), Masks: &w.masks}
		w.args.StrideD = p.Kernel.Cols * 4
	}
	rows := p.conv.N * p.oh
	for row := 0; row < rows; row += p.rowsPerBlock {
		for x := 0; x < p.ow; x += pointsPerBlock {
			count := p.fill(a, w.segments, tap, panel, row, x)
			if count == 0 {
				continue
			}
			w.args.Count = count
			if p.Kernel.Panel != nil {
				w.panel.Count = count
				p.Kernel.Panel(&w.panel)
			}
			for t := first; t < last; t++ {
				p.shift(w.segments[:count], p.channel(t)-p.before(t, first))
				w.args.Y = &w.acc[(t-first)*size]
				p.Kernel.Outer(&w.args)
			}
		}
	}
	for t := first; t < last; t++ {
		p.store(a, w.acc[(t-first)*size:], tap, panel, t, n)
	}
}

// channel is the first channel of tile t; the last tile overlaps its neighbour.
func (p *outerPlan) channel(t int) int { return min(t*p.Kernel.Rows, p.conv.C-p.Kernel.Rows) }

// before is the channel that the segments point to when tile t begins.
func (p *outerPlan) before(t, first int) int {
	if t == first {
		return 0
	}
	return p.channel(t - 1)
}

func (p *outerPlan) shift(segments []kernels.Segment, channels int) {
	for i := range segments {
		segments[i].X += uintptr(channels * 4)
	}
}

// fill lists the points of a block of the result, which begins at row from and column
// x0, at which the tap falls inside the picture.
func (p *outerPlan) fill(a *plans.Args, segments []kernels.Segment, tap, panel, from, x0 int) int {
	c := &p.conv
	to := min(from+p.rowsPerBlock, c.N*p.oh)
	ky, kx := tap/c.KW, tap%c.KW
	lo, hi := x0, min(x0+pointsPerBlock, p.ow)
	for lo < hi && lo*c.Stride+kx-c.PadLeft < 0 {
		lo++
	}
	for hi > lo && (hi-1)*c.Stride+kx-c.PadLeft >= c.W {
		hi--
	}
	if lo == hi {
		return 0
	}
	count := 0
	for row := from; row < to; row++ {
		n, y := row/p.oh, row%p.oh
		iy := y*c.Stride + ky - c.PadTop
		if iy < 0 || iy >= c.H {
			continue
		}
		ix := lo*c.Stride + kx - c.PadLeft
		segments[count] = kernels.Segment{
			X:     kernels.AddressOf(a.X) + uintptr(((n*c.H+iy)*c.W+ix)*c.C*4),
			D:     kernels.AddressOf(a.W) + uintptr(((row*p.ow+lo)*c.O+panel*p.Kernel.Cols)*4),
			Count: hi - lo,
		}
		count++
	}
	return count
}

// store writes the rows of tile t, but for those its neighbour has too.
func (p *outerPlan) store(a *plans.Args, acc []float32, tap, panel, t, n int) {
	channel := p.channel(t)
	for r := t*p.Kernel.Rows - channel; r < p.Kernel.Rows; r++ {
		at := (channel+r)*p.out.Row + panel*p.Kernel.Cols*p.out.Col + tap*p.out.Tap
		row := acc[r*p.Kernel.Cols:][:n]
		if p.out.Col == 1 {
			copy(a.Y[at:], row)
			continue
		}
		for _, v := range row {
			a.Y[at] = v
			at += p.out.Col
		}
	}
}
