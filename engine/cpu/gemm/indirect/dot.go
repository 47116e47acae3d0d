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

// kBlock is what one call of the kernel sums: some taps, or a part of the depth of one.
type kBlock struct{ tap, taps, from, depth int }

// kBlocks cuts the sum over taps and depth so that a panel stays in the cache.
func kBlocks(taps, depth, cols int) []kBlock {
	var all []kBlock
	most := min(max(panelBytes/(4*cols), 1), mostTerms)
	if depth > most {
		n := plans.CeilDiv(depth, most)
		size := plans.RoundUp(plans.CeilDiv(depth, n), 4)
		for tap := range taps {
			for from := 0; from < depth; from += size {
				all = append(all, kBlock{tap, 1, from, min(size, depth-from)})
			}
		}
		return all
	}
	each := max(most/max(depth, 1), 1)
	for tap := 0; tap < taps; tap += each {
		all = append(all, kBlock{tap, min(each, taps-tap), 0, depth})
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
	kBlocks                 []kBlock
	tilesPerTask            int
	panelsPerTask           int
	zero                    []float32
	copies                  bool
	workers                 []dotWorker
}

// copyGap is the distance in words between copied rows: rows a page apart meet
// in the same few sets of the first-level cache.
const copyGap = 16

// dotWorker is the memory of one worker.
type dotWorker struct {
	args    kernels.DotArgs
	table   []uintptr
	shifted []uintptr
	copied  []float32    // rows that lie a multiple of a page apart, moved closer
	halves  [2][]float32 // value and gate of a panel: [rows of a task][cols]
	wide    []float32    // a K block of a panel whose weights are held in 16 bits
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
		HalfLen:    len(p.workers) * p.kBlockSize(),
		Packing:    plans.PackPanels(w, k.Cols, workers),
		Phases:     p.bind,
	}
}

func newDot(src plans.Source, w plans.Order, workers int, k kernels.Kernel) *dotPlan {
	p := &dotPlan{Kernel: k, src: src, weights: w, cols: w.Results()}
	p.rows, p.depth, p.taps = src.Size()
	p.panels = plans.CeilDiv(p.cols, k.Cols)
	p.kBlocks = kBlocks(p.taps, p.depth, k.Cols)
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
		own := scratch[:n]
		scratch = scratch[n:]
		return own
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
			p.workers[i].wide = take(p.kBlockSize())
		}
	}
	tiles := plans.CeilDiv(p.rows, p.Kernel.Rows)
	blocks := plans.CeilDiv(tiles, p.tilesPerTask)
	byPanels := plans.CeilDiv(p.panels, p.panelsPerTask)
	return []par.Phase{{Name: "dot", Tasks: blocks * byPanels, Run: func(task, worker int) {
		first := task / byPanels * p.tilesPerTask
		panel := task % byPanels * p.panelsPerTask
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
	for i := range p.kBlocks {
		p.setKBlock(a, w, panel, i)
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

// setKBlock prepares what the tiles of one panel and K block have in common.
func (p *dotPlan) setKBlock(a *plans.Args, w *dotWorker, panel, i int) {
	cols, k := p.Kernel.Cols, p.kBlocks[i]
	from, n := p.weights.Columns(panel, cols)
	clear(w.bias[:])
	if a.Bias != nil && i == 0 {
		copy(w.bias[:n], a.Bias[from:])
	}
	w.args = kernels.DotArgs{
		Taps: k.taps, Depth: k.depth,
		B:    p.widened(a, w, ((panel*p.taps+k.tap)*p.depth+k.from)*cols, k.taps*k.depth*cols),
		Bias: &w.bias[0], Mask: plans.LowMask(n), Partial: &w.partial[0],
	}
}

// kBlockSize is the most weights that one K block of a panel has.
func (p *dotPlan) kBlockSize() (most int) {
	for _, k := range p.kBlocks {
		most = max(most, k.taps*k.depth*p.Kernel.Cols)
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

// tile computes K block i of tile t, the at-th of its output.
func (p *dotPlan) tile(w *dotWorker, t, at, i int, table []uintptr, out output) {
	rows, k := p.Kernel.Rows, p.kBlocks[i]
	offset := uintptr(at * rows * out.stride)
	args := &w.args
	args.Table = &table[k.tap*rows]
	if k.from > 0 {
		for r, at := range table[k.tap*rows:][:rows] {
			w.shifted[r] = at + uintptr(k.from*4)
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
