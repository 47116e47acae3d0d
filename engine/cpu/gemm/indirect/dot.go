package indirect

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// panelBytes bounds the packed weights that one tile streams from the cache.
const panelBytes = 384 << 10

// mostTerms bounds the terms that are summed in one order: more lose too much precision.
const mostTerms = 6144

// part is a share of the sum that one call of the kernel computes.
type part struct{ tap, taps, from, depth int }

// parts cuts the sum over taps and depth so that a panel stays in the cache.
func parts(taps, depth, cols int) []part {
	var all []part
	most := min(max(panelBytes/(4*cols), 1), mostTerms)
	if depth > most {
		n := plans.CeilDiv(depth, most)
		size := plans.RoundUp(plans.CeilDiv(depth, n), 4)
		for tap := range taps {
			for from := 0; from < depth; from += size {
				all = append(all, part{tap, 1, from, min(size, depth-from)})
			}
		}
		return all
	}
	group := max(most/max(depth, 1), 1)
	for tap := 0; tap < taps; tap += group {
		all = append(all, part{tap, min(group, taps-tap), 0, depth})
	}
	return all
}

// dotPlan is the product of a source's rows with packed panels of columns.
type dotPlan struct {
	kernels.Kernel
	src                     plans.Source
	weights                 plans.Order
	rows, depth, taps, cols int // cols and panels are those of the result
	panels                  int
	parts                   []part
	tilesPerTask            int
	panelsPerTask           int
	zero                    []float32
	copies                  bool
	workers                 []dotWorker
}

// copyGap is the distance in words between copied rows: rows a page apart meet
// in the same few places of the first-level cache.
const copyGap = 16

// dotWorker is the memory of one worker.
type dotWorker struct {
	args    kernels.DotArgs
	table   []uintptr
	shifted []uintptr
	copied  []float32    // rows that lie a multiple of a page apart, moved closer
	halves  [2][]float32 // value and gate of a panel: [rows of a task][cols]
	wide    []float32    // a part of a panel whose weights are held in 16 bits
	partial [kernels.MaxRows * kernels.MaxCols]float32
	bias    [kernels.MaxCols]float32
}

// output is where tiles of a panel go.
type output struct {
	y, add uintptr // of the first tile's first row; add may be 0
	stride int     // bytes between rows
}

func PlanDot(src plans.Source, w plans.Order, workers int, k kernels.Kernel) *plans.Plan {
	p := newDot(src, w, workers, k)
	return &plans.Plan{
		Also:       w.Also(),
		PackedLen:  w.Panels(k.Cols) * p.taps * p.depth * k.Cols,
		ScratchLen: len(p.workers) * (p.copySize() + 2*p.gateSize()),
		HalfLen:    len(p.workers) * p.partSize(),
		Packing:    plans.PackPanels(w, k.Cols, workers),
		Phases:     p.bind,
	}
}

func newDot(src plans.Source, w plans.Order, workers int, k kernels.Kernel) *dotPlan {
	p := &dotPlan{Kernel: k, src: src, weights: w, cols: w.Results()}
	p.rows, p.depth, p.taps = src.Size()
	p.panels = plans.CeilDiv(p.cols, k.Cols)
	p.parts = parts(p.taps, p.depth, k.Cols)
	p.zero = plans.Zeros(p.depth + kernels.MaxRows)
	_, plain := src.(plans.RowSource)
	p.copies = plain && p.depth*4%4096 == 0
	tiles := plans.CeilDiv(p.rows, k.Rows)
	p.tilesPerTask = max(min(16, plans.CeilDiv(tiles, 4)), 1)
	p.panelsPerTask = p.panels
	for plans.CeilDiv(tiles, p.tilesPerTask)*plans.CeilDiv(p.panels, p.panelsPerTask) < 8 && p.panelsPerTask > 1 {
		p.panelsPerTask = plans.CeilDiv(p.panelsPerTask, 2)
	}
	p.workers = make([]dotWorker, max(workers, 1))
	for i := range p.workers {
		p.workers[i].table = make([]uintptr, p.tilesPerTask*p.taps*k.Rows)
		p.workers[i].shifted = make([]uintptr, k.Rows)
	}
	return p
}

// copySize is the memory for the copied rows of one task.
func (p *dotPlan) copySize() int {
	if !p.copies {
		return 0
	}
	return p.tilesPerTask * p.Kernel.Rows * (p.depth + copyGap)
}

func (p *dotPlan) bind(a plans.Args) []par.Phase {
	scratch := a.Scratch
	take := func(n int) []float32 {
		part := scratch[:n]
		scratch = scratch[n:]
		return part
	}
	for i := range p.workers {
		w := &p.workers[i]
		w.copied = take(p.copySize())
		for j := range w.halves {
			w.halves[j] = take(p.gateSize())
		}
	}
	if a.Half != nil {
		for i := range p.workers {
			p.workers[i].wide = take(p.partSize())
		}
	}
	tiles := plans.CeilDiv(p.rows, p.Kernel.Rows)
	blocks := plans.CeilDiv(tiles, p.tilesPerTask)
	groups := plans.CeilDiv(p.panels, p.panelsPerTask)
	return []par.Phase{{Name: "dot", Tasks: blocks * groups, Run: func(task, worker int) {
		first := task / groups * p.tilesPerTask
		panel := task % groups * p.panelsPerTask
		p.block(&a, &p.workers[worker], first, min(first+p.tilesPerTask, tiles), panel, min(panel+p.panelsPerTask, p.panels))
	}}}
}

// block computes tiles first … last-1 of panels from … to-1.
func (p *dotPlan) block(a *plans.Args, w *dotWorker, first, last, from, to int) {
	rows := p.Kernel.Rows
	size := p.taps * rows
	x, zero := kernels.AddressOf(a.X), kernels.AddressOf(p.zero)
	for t := first; t < last; t++ {
		table := w.table[(t-first)*size:][:size]
		n := min(rows, p.rows-t*rows)
		p.src.Fill(table, rows, t*rows, n, x, zero)
		for tap := range p.taps { // rows that are not there
			for r := n; r < rows; r++ {
				table[tap*rows+r] = zero
			}
		}
		if p.copies {
			p.copyRows(w, table[:n], (t-first)*rows)
		}
	}
	for panel := from; panel < to; panel++ {
		if p.weights.Gated {
			p.gate(a, w, panel, first, last)
			continue
		}
		at := uintptr((first*rows*p.cols + panel*p.Kernel.Cols) * 4)
		out := output{y: kernels.AddressOf(a.Y) + at, stride: p.cols * 4}
		if a.Add != nil {
			out.add = kernels.AddressOf(a.Add) + at
		}
		p.panel(a, w, panel, first, last, out)
	}
}

// panel computes tiles first … last-1 of one panel.
func (p *dotPlan) panel(a *plans.Args, w *dotWorker, panel, first, last int, out output) {
	size := p.taps * p.Kernel.Rows
	for i, part := range p.parts {
		p.setPart(a, w, panel, i, part)
		w.args.Stride = out.stride
		for t := first; t < last; t++ {
			p.tile(w, t, t-first, i, w.table[(t-first)*size:], out)
		}
	}
}

// copyRows moves the rows of a table to the worker's memory, from row at on.
func (p *dotPlan) copyRows(w *dotWorker, table []uintptr, at int) {
	for r, row := range table {
		own := w.copied[(at+r)*(p.depth+copyGap):][:p.depth]
		copy(own, kernels.FloatsAt(row, p.depth))
		table[r] = kernels.AddressOf(own)
	}
}

// setPart prepares what the tiles of one panel and part have in common.
func (p *dotPlan) setPart(a *plans.Args, w *dotWorker, panel, i int, part part) {
	cols := p.Kernel.Cols
	from, n := p.weights.Columns(panel, cols)
	clear(w.bias[:])
	if a.Bias != nil && i == 0 {
		copy(w.bias[:n], a.Bias[from:])
	}
	w.args = kernels.DotArgs{
		Taps: part.taps, Depth: part.depth,
		B:    p.widened(a, w, ((panel*p.taps+part.tap)*p.depth+part.from)*cols, part.taps*part.depth*cols),
		Bias: &w.bias[0], Mask: plans.LowMask(n), Partial: &w.partial[0],
	}
}

// partSize is the most weights that one part of a panel has.
func (p *dotPlan) partSize() (most int) {
	for _, part := range p.parts {
		most = max(most, part.taps*part.depth*p.Kernel.Cols)
	}
	return plans.RoundUp(most, 16)
}

// widened is where n packed weights lie, widened if need be.
func (p *dotPlan) widened(a *plans.Args, w *dotWorker, from, n int) *float32 {
	if a.Half == nil {
		return &a.W[from]
	}
	vec.Widen(a.Format, w.wide[:n], a.Half[from:][:n])
	return &w.wide[0]
}

// tile computes part i of tile t, which is at place at of its output.
func (p *dotPlan) tile(w *dotWorker, t, at, i int, table []uintptr, out output) {
	rows, part := p.Kernel.Rows, p.parts[i]
	offset := uintptr(at * rows * out.stride)
	args := &w.args
	args.Table = &table[part.tap*rows]
	if part.from > 0 {
		for r, at := range table[part.tap*rows:][:rows] {
			w.shifted[r] = at + uintptr(part.from*4)
		}
		args.Table = &w.shifted[0]
	}
	args.Y = out.y + offset
	args.Valid = min(rows, p.rows-t*rows)
	args.Add = 0
	switch {
	case i > 0:
		args.Add = args.Y
	case out.add != 0:
		args.Add = out.add + offset
	}
	p.Kernel.Dot(args)
}
