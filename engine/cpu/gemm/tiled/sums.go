package tiled

import (
	"math"
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
)

const (
	kcBytes = 700 << 10 // of a task's rows, in the second-level cache
	turns   = 12        // packed panels whose sums go on by turns

	streamedBytes = 40 << 10 // of weights, that leave little of the first-level cache
)

// cutSums chooses how many terms are summed before the next panel's turn. The order of
// a result's terms is the same for any.
func (p *tilesPlan) cutSums() {
	p.together = 1
	rows := p.taskTiles*kernels.Side + p.Slack
	if rows*p.Residues*p.pitch*2 > ownBlockBytes(p.split) {
		p.together = turns / p.weights.Halves()
	}
	for i := range p.sums {
		s := &p.sums[i]
		s.kc = max(kcSteps/(p.kChannels/kernels.Step*p.parts()), 1)
		if p.together > 1 && len(s.kBlocks) > 0 {
			row := s.rowTaps() // see all but the same numbers of a
			s.kc = min(s.kc, max(kcBytes/(rows*p.kChannels*p.parts()*2), 1)*row)
		}
	}
}

// rowTaps is the number of taps that go over the same channels together.
func (s *tileSum) rowTaps() int {
	n := 1
	for n < len(s.kBlocks) && s.kBlocks[n].from == s.kBlocks[0].from && s.kBlocks[n].tap != s.kBlocks[0].tap {
		n++
	}
	return n
}

// accLen is the memory for the sums of a task: those of panels that go on by turns, with
// gates for those too.
func (p *tilesPlan) accLen() int {
	return p.together * p.weights.Halves() * p.taskTiles * kernels.Side * kernels.Side
}

// target is what a task computes at once: tiles first … last-1 of a block, of panels
// from … to-1 of a class.
type target struct{ block, class, first, last, from, to int }

// multiply computes a target from its block's copy; acc is memory for the sums.
func (p *tilesPlan) multiply(a *plans.Args, w *tilesWorker, copied []uint16, acc []float32, b target) {
	k, first, last := b.class, b.first, b.last
	if len(p.Classes[k].Taps) == 0 {
		return
	}
	base := kernels.AddressOf(a.Y)
	if p.HalfY {
		base = uintptr(unsafe.Pointer(&a.YHalf[0]))
	}
	rows := w.rows[:(last-first)*kernels.Side]
	if !p.fillRows(rows, base, p.cols*p.size(), k, 2*(b.block*p.blockTiles+first)) {
		return
	}
	w.put = kernels.PutArgs{Count: len(rows), Rows: &rows[0], Bias: &w.bias[0]}
	if a.Add != nil {
		w.put.Add, w.put.Delta = 1, kernels.AddressOf(a.Add)-base
	}
	p.findRows(w, b.block, first, last)
	w.tile = kernels.TileArgs{
		A: uintptr(unsafe.Pointer(&copied[0])), Lda: p.pitch * 2, Steps: p.kChannels / kernels.Step,
		Ldb: 128, Second: 64, Next: 2048, Moves: &w.moves[0], Gaps: &w.gaps[0], Count: last - first,
	}
	if p.weights.Gated {
		p.gate(w, p.sums[k].size)
	}
	if p.streams(k) {
		w.tile.Streaming = 1
	}
	if p.split {
		w.tile.LowA, w.tile.LowB = p.channels*2, p.kChannels*kernels.Side*2
		w.tile.Ldb, w.tile.Second = 64, kernels.TileWords*4
		w.tile.FetchStep = 512 // a step takes three times as long
	}
	for panel := b.from; panel < b.to; panel += p.together {
		p.takeTurns(a, w, acc, k, panelTurns{panel, min(p.together, b.to-panel), b.to})
	}
}

// streams tells whether the weights of KC steps fill the first-level cache, so that they
// had better go past it, and rows that meet them several times stay there.
func (p *tilesPlan) streams(k int) bool {
	s, halves := &p.sums[k], p.weights.Halves()
	bytes := min(s.kc, len(s.kBlocks)) * s.size / len(s.kBlocks) * 4
	return halves*s.rowTaps() > 1 && halves*bytes > streamedBytes
}

// size is the bytes of a number of the result.
func (p *tilesPlan) size() int {
	if p.HalfY {
		return 2
	}
	return 4
}

// panelTurns are n panels from one on whose sums go on by turns; the task's panels end at to.
type panelTurns struct{ panel, n, to int }

// takeTurns computes a task's tiles for some panels.
func (p *tilesPlan) takeTurns(a *plans.Args, w *tilesWorker, acc []float32, k int, by panelTurns) {
	s, t, own := &p.sums[k], &w.tile, w.tile.Count*kernels.Side*kernels.Side
	for kb := 0; kb < len(s.kBlocks); kb += s.kc {
		count := min(s.kc, len(s.kBlocks)-kb)
		last := kb+count == len(s.kBlocks)
		t.Offsets, t.OffsetsB, t.Taps = &s.offsets[kb], &s.offsetsB[kb], count
		t.Resume, t.Put, t.Ring, t.Rate = min(kb, 1), nil, 0, 8*kernels.StoresOf(p.weights.Halves()*count*t.Steps)
		for i := range by.n {
			sums := acc[i*own:][:own]
			t.B, t.Acc = kernels.AddressOf(a.W[s.start+(by.panel+i)*p.weights.Halves()*s.size:]), &sums[0]
			p.fetchNext(t, s, a.W[s.start:], by, i, kb)
			if last {
				w.put.Acc, t.Put = &sums[0], &w.put
				if kb == 0 {
					t.Ring = 2 * p.weights.Halves() * kernels.Side * kernels.Side * 4
				}
				p.columns(a, w, by.panel+i)
			}
			p.Tile(t)
		}
	}
}

// fetchNext names the weights of the turn behind turn i of some panels, of K block kb.
func (p *tilesPlan) fetchNext(t *kernels.TileArgs, s *tileSum, packed []float32, by panelTurns, i, kb int) {
	panel := by.panel
	switch {
	case i+1 < by.n:
		i++
	case kb+s.kc < len(s.kBlocks):
		i, kb = 0, kb+s.kc
	case panel+by.n < by.to:
		panel, i, kb = panel+by.n, 0, 0
	default:
		t.FetchEnd = t.Fetch
		return
	}
	words, halves := s.size/len(s.kBlocks), p.weights.Halves() // of a K block
	at := (panel+i)*halves*s.size + kb*words
	t.Fetch = kernels.AddressOf(packed[at:]) // gates lie behind where all is summed in one turn
	t.FetchEnd = t.Fetch + uintptr(halves*min(s.kc, len(s.kBlocks)-kb)*words*4)
}

// columns tells put the offset, the bias and the number of a panel's columns.
func (p *tilesPlan) columns(a *plans.Args, w *tilesWorker, panel int) {
	w.put.Shift = uintptr(panel * kernels.Side * p.size())
	clear(w.bias[:])
	for i := range p.weights.Halves() {
		from, n := p.weights.Columns(panel*p.weights.Halves()+i, kernels.Side)
		if a.Bias != nil {
			copy(w.bias[i*kernels.Side:][:n], a.Bias[from:])
		}
		w.put.Mask = plans.LowMask(n)
	}
}

// findRows finds where the rows of tiles, in two halves, lie in a block's copy.
func (p *tilesPlan) findRows(w *tilesWorker, block, first, last int) {
	from, _ := p.region(block)
	for i := range last - first {
		tile := block*p.blockTiles + first + i
		at := p.Start(2 * tile)
		w.moves[i], w.gaps[i] = (at-from)*p.pitch*2, (p.Start(2*tile+1)-at)*p.pitch*2
	}
}

// fillRows finds where the results from a half tile on go, distance bytes from one to the next
// and 0 for those that are none, and tells whether there is any.
func (p *tilesPlan) fillRows(rows []uintptr, base uintptr, distance, k, first int) bool {
	any := false
	for i := 0; i < len(rows); {
		r, n := p.resultAt(k, first*plans.HalfTile+i)
		n = min(n, len(rows)-i)
		if r < 0 {
			clear(rows[i : i+n])
		} else {
			any = true
			for j := range n {
				rows[i+j] = base + uintptr((r+j*p.Every)*distance)
			}
		}
		i += n
	}
	return any
}

// resultAt is the pixel of the i-th result of the half tiles, as Result tells of positions.
func (p *tilesPlan) resultAt(k, i int) (pixel, n int) {
	if !p.Aligned() {
		return p.Result(k, i)
	}
	if all := p.HalfTiles() * plans.HalfTile; i < all {
		return i, all - i
	}
	return -1, math.MaxInt
}
