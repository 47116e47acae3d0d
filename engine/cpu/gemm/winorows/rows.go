package winorows

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/tensor"
)

// winogradRows computes a 3x3 convolution by Winograd's F(2,3) along the rows of a
// picture: with d four neighbouring pixels of a row and g a row of a filter, two
// neighbouring results are
//
//	y = Aᵀ [ (G g) ∘ (Bᵀ d) ],
//
// summed over the three rows of the filter and the channels, of each of the elements ξ
// by itself: four matrix products with 12 multiplications in place of 18. They are split
// products of tiles, see tilesPlan in package tiled, 32 pairs of results by 32 columns. Bᵀ
// and G only add two numbers or three, and halve: results differ from exact ones by 5.5e-6
// to 7e-6 of the largest, where split products alone do by 4e-6 to 6e-6 (16 to 1280
// channels).
//
// Of the two dimensions that F(2x2,3x3) saves in, this takes one: V = Bᵀd is half as
// large, its sums go over three rows before they are stored, and are joined with few
// additions, beside the products of the next tile.
//
// The width of a picture is cut into blocks (oneDNN's ow_block), so that a block of results
// sees few pixels besides its own; of pictures too small to fill half tiles of 16 pairs, the
// rows of several lie side by side, as those of one. A block goes all the way: V of some
// channels is laid out, and multiplied with all panels while it is in the second-level
// cache; then those of the next channels are added.
type winogradRows struct {
	kernels.Tiles
	rowsCut
	conv    plans.Conv
	weights plans.Order
	flipped bool // the filter is turned by 180°, as the gradient to the picture wants
	oh, ow  int
	panels  int
	fresh   bool // filters are packed where they are used, which is in one block
	workers []winogradRowsWorker
}

type winogradRowsWorker struct {
	tile        kernels.TileArgs
	put         kernels.PutArgs
	bias        []float32 // of all columns, whole panels; then as many zeros as a panel wants
	moves, gaps []int     // of every tile of each ξ: from V to its first half, and to its second
	shifts      []int     // from a panel's filters to those of each ξ
	offsets     [3]int    // of the rows of a filter
	rows        []uintptr // of the results
	in          kernels.SplitRowArgs
	filter      kernels.FilterPairsArgs
	round       kernels.RowsArgs
}

func Plan(c plans.Conv, w plans.Order, flipped bool, workers int, t kernels.Tiles) *plans.Plan {
	oh, ow := c.OutSize()
	p := &winogradRows{Tiles: t, conv: c, weights: w, flipped: flipped, oh: oh, ow: ow, panels: plans.CeilDiv(c.O, kernels.Side)}
	p.across, p.joined = owBlockOf(oh, ow/2)
	p.owBlock, p.owBlocks = p.joined*p.across, ow/2/p.across
	p.workers = make([]winogradRowsWorker, max(workers, 1))
	p.cutChannels()
	if p.fresh = c.Fresh && p.cutFresh(); !p.fresh {
		p.cutBlocks()
	}
	p.xiStride = p.longest()*p.pitch + kernels.Side // so far apart, the ξ of a pair lie in different sets of the cache
	for i := range p.workers {
		p.workers[i] = p.newWorker()
	}
	plan := &plans.Plan{
		Also:       tiled.BeforeOf(c.Normed),
		ScratchLen: len(p.workers) * p.ownLen(),
		Phases:     p.bind,
	}
	if !p.fresh {
		plan.PackedLen, plan.Packing = p.kBlocks*p.panels*p.panelLen(), p.packing(workers)
	}
	return plan
}

func (p *winogradRows) newWorker() winogradRowsWorker {
	w := winogradRowsWorker{
		bias:  make([]float32, (p.panels+1)*kernels.Side),
		moves: make([]int, 4*p.most), gaps: make([]int, 4*p.most), shifts: make([]int, 4*p.most),
		rows: make([]uintptr, 2*(p.most*kernels.Side+kernels.StoresAhead)),
	}
	for i := range w.shifts {
		w.shifts[i] = i % 4 * 3 * p.channels * kernels.Side * 4
	}
	for i := range w.offsets {
		w.offsets[i] = i * p.owBlock * p.pitch * 2
	}
	return w
}

func (p *winogradRows) bind(a plans.Args) []par.Phase {
	return []par.Phase{{Name: "tiles", Tasks: p.blocks * p.panelBlocks, Run: func(task, worker int) {
		w := &p.workers[worker]
		clear(w.bias)
		if a.Bias != nil {
			copy(w.bias, a.Bias[:p.conv.O])
		}
		block, panelBlock := task%p.blocks, task/p.blocks
		memory := a.Scratch[worker*p.ownLen():][:p.ownLen()]
		for kBlock := range p.kBlocks {
			p.add(w, &a, memory, kBlock, block, panelBlock)
		}
	}}}
}

// add adds the products of a K block, some channels, to a block's results of some panels.
func (p *winogradRows) add(w *winogradRowsWorker, a *plans.Args, memory []float32, kBlock, block, panelBlock int) {
	lenV, lenM, lenRow := p.lengths()
	v, m, row := memory[:lenV], memory[lenV:][:lenM], memory[lenV+lenM:][:lenRow]
	filters := memory[lenV+lenM+lenRow:]
	halves := 0
	w.put = kernels.PutArgs{Acc: &m[0], Rows: &w.rows[0]}
	switch {
	case kBlock > 0:
		w.put.Add = 1
	case a.Add != nil:
		w.put.Add, w.put.Delta = 1, kernels.AddressOf(a.Add)-kernels.AddressOf(a.Y)
	}
	p.spans(block, func(s span) {
		p.layOut(w, a, tensor.Halves(v), row, kBlock, s)
		p.findHalves(w, kernels.AddressOf(a.Y), s, halves)
		halves += s.last - s.first
	})
	tiles := plans.CeilDiv(halves, 2)
	if halves%2 > 0 {
		p.noHalf(w, halves)
	}
	w.put.Count = tiles * kernels.Side
	w.tile = kernels.TileArgs{
		A: kernels.AddressOf(v), Lda: p.pitch * 2, Offsets: &w.offsets[0], Taps: 3, Steps: p.channels / kernels.Step,
		Ldb: 64, Second: kernels.TileWords * 4, Next: 2048, Acc: &m[0], Moves: &w.moves[0], Gaps: &w.gaps[0], Shifts: &w.shifts[0], Count: 4 * tiles, Fours: 2,
		LowA: p.channels * 2, LowB: 3 * p.channels * kernels.Side * 2, Ring: 2 * 4 * kernels.Side * kernels.Side * 4,
		Put: &w.put, Rate: 16 * kernels.StoresOf(12*p.channels/kernels.Step), FetchStep: plans.RoundUp(plans.CeilDiv(4096, tiles), 256),
	}
	to := (panelBlock + 1) * p.panels / p.panelBlocks
	for panel := panelBlock * p.panels / p.panelBlocks; panel < to; panel++ {
		p.multiply(w, p.filtersOf(w, a, filters, kBlock, panel), kBlock, panel, to)
	}
}

// filtersOf are a panel's filters of a K block and those behind them; fresh ones are packed,
// through memory.
func (p *winogradRows) filtersOf(w *winogradRowsWorker, a *plans.Args, memory []float32, kBlock, panel int) []float32 {
	if !p.fresh {
		return a.W[(kBlock*p.panels+panel)*p.panelLen():]
	}
	first, n := p.weights.Columns(panel, kernels.Side)
	packed := memory[:p.panelLen()]
	p.packPanel(&w.filter, kBlock, n, packed, a.W[first*p.weights.StrideCol:], memory[len(packed):][:packBlock])
	return packed
}

// multiply makes the results of a panel.
func (p *winogradRows) multiply(w *winogradRowsWorker, filters []float32, kBlock, panel, to int) {
	t := &w.tile
	t.B = kernels.AddressOf(filters)
	t.Fetch = t.B + uintptr(p.panelLen()*4)
	t.FetchEnd = t.Fetch
	if !p.fresh && (panel+1 < to || kBlock+1 < p.kBlocks && p.panelBlocks == 1) {
		t.FetchEnd += uintptr(p.panelLen() * 4)
	}
	w.put.Mask = plans.LowMask(min(kernels.Side, p.conv.O-panel*kernels.Side))
	w.put.Bias = &w.bias[panel*kernels.Side]
	if kBlock > 0 {
		w.put.Bias = &w.bias[p.panels*kernels.Side] // it is in the results
	}
	w.put.Shift = uintptr(panel * kernels.Side * 4)
	p.Tile(t)
}
