package tiled

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// tilesPlan computes a product with bfloat16 tiles of 32 positions x 32 columns.
//
// In float32 (split) every number is the sum of two bfloat16, high and low, and
// three of their four products are summed: high·high, high·low and low·high. What
// is left out is about 4e-6 of the largest result, and up to 2e-5 for few terms.
//
// The positions are taken in blocks. Of each block a copy as bfloat16 is laid out,
// with the positions behind it that its taps reach, and then multiplied: the copy
// is small however large the picture, and still in the caches. A result is summed
// within one block, so where the blocks begin changes no bit.
//
// The order of a result's sum is chosen for AMX, where a step of 32x32x32 takes 64
// cycles, and each of its four tiles 8 from the first-level cache or 21 from the
// second. The weights of a panel (32 columns) are larger than the first level, and
// take 42 cycles a step. The rows of a need not: the taps of one row of the kernel
// see all but the same pixels, so these follow one another for some channels at a
// time, few enough that those pixels stay in the first level; of a 3x3 kernel two
// taps of three then take 16 cycles a step in place of 42, and the loads (67) just
// about keep up with the products. Weights held in the first level instead would
// save the other 26, but the sums would have to be stored and loaded (128 cycles)
// every ten steps, which costs as much. KC, 128 steps, serves another end: a task's
// rows, the weights of KC steps and those fetched for the next fit into the second level
// together, and a call stays short. Where a task's rows are more than that, KC steps are
// summed for a few panels by turns, before the next. A split step loads eight tiles for its
// twelve products, and bears operands from the second level if their lines do not fall into
// few sets of the first.
type tilesPlan struct {
	kernels.Tiles
	plans.Product
	tilesCut
	split          bool
	weights        plans.Order
	cols, panels   int // of the result
	channels       int // rounded up to whole steps
	kChannels      int // of a K block: the taps of a row of the filter go over them together
	pitch          int // bfloat16 from one position to the next
	sums           []tileSum
	blockPositions int // positions in a residue of a block's copy
	together       int // panels whose sums go on by turns
	workers        []tilesWorker
}

// tileSum is the order of the sums of one class.
type tileSum struct {
	start    int      // of its packed weights, words
	kc       int      // K blocks that are summed before the next panel's turn
	size     int      // of a panel of the weights, high and low parts
	kBlocks  []kBlock // in the order of the sum
	offsets  []int    // of each K block's rows of a, bytes
	offsetsB []int    // of each K block's weights in the panel, bytes
}

// kBlock are some channels of one tap, from one on.
type kBlock struct{ tap, from int }

type tilesWorker struct {
	tile   kernels.TileArgs
	put    kernels.PutArgs
	bias   [2 * kernels.Side]float32
	moves  []int // from a block's copy to each tile's first half, bytes
	gaps   []int // and from there to its second
	shifts []int // to the weights of each tile, values or gates, bytes
	rows   []uintptr
	round  kernels.RowsArgs
}

const (
	KBlockSteps = 10  // of 2 KB of a and as much of b each, in the first-level cache
	kcSteps     = 128 // whose weights are 256 KB
)

func Plan(pr plans.Product, w plans.Order, workers int, t kernels.Tiles, split bool) *plans.Plan {
	return PlanIn(sharedBytes*min(max(workers, 1), sharingWorkers), pr, w, workers, t, split)
}

// PlanIn plans with so much memory for the copy of a block, if that will do.
func PlanIn(bytes int, pr plans.Product, w plans.Order, workers int, t kernels.Tiles, split bool) *plans.Plan {
	p := &tilesPlan{Tiles: t, Product: pr, split: split, weights: w, cols: w.Results(), panels: plans.CeilDiv(w.Results(), kernels.Side), channels: plans.RoundUp(pr.Depth, kernels.Step)}
	p.kChannels = KBlockSteps / p.parts() * kernels.Step
	for p.channels%p.kChannels != 0 {
		p.kChannels -= kernels.Step
	}
	p.pitch = p.parts() * p.channels
	if split || p.pitch*2%1024 == 0 { // rows would fall into few sets of the first-level cache
		p.pitch |= kernels.Step // an odd number of cache lines
	}
	p.workers = make([]tilesWorker, max(workers, 1))
	p.tilesCut = cutTiles(&pr, bytes, p.pitch, p.panels, workers, split)
	p.blockPositions = p.longestBlock()
	packed := 0
	for k := range pr.Classes {
		p.sums = append(p.sums, p.order(&pr.Classes[k], packed))
		packed += w.Panels(kernels.Side) * p.sums[k].size
	}
	p.cutSums()
	for i := range p.workers {
		tiles := p.taskTiles * w.Halves()
		p.workers[i].moves, p.workers[i].gaps = make([]int, tiles), make([]int, tiles)
		p.workers[i].rows = make([]uintptr, p.taskTiles*kernels.Side+kernels.StoresAhead)
		if w.Gated {
			p.workers[i].shifts = make([]int, tiles)
		}
	}
	return &plans.Plan{
		Also:       w.Also() + BeforeOf(pr.Normed),
		PackedLen:  packed,
		ScratchLen: p.copies()*p.blockLen() + len(p.workers)*p.accLen(),
		Packing:    p.packing(workers),
		Phases:     func(a plans.Args) []par.Phase { return p.bind(&a) },
		Over:       p.bind,
	}
}

func KindOf(split bool) string {
	if split {
		return " split f32"
	}
	return " bf16"
}

// copies is the number of copies of blocks.
func (p *tilesPlan) copies() int {
	if p.taskBlocks > 0 {
		return len(p.workers)
	}
	return 1
}

// parts is the number of bfloat16 that a number is the sum of.
func (p *tilesPlan) parts() int {
	if p.split {
		return 2
	}
	return 1
}

// order lists the K blocks of a class, and where each has its operands.
func (p *tilesPlan) order(k *plans.Class, start int) tileSum {
	s := tileSum{start: start, size: len(k.Taps) * p.parts() * p.channels * kernels.Side / 2}
	for first := 0; first < len(k.Taps); {
		last := first + 1
		for last < len(k.Taps) && besides(k.Shifts[last], k.Shifts[last-1]) {
			last++
		}
		for from := 0; from < p.channels; from += p.kChannels {
			for tap := first; tap < last; tap++ {
				s.kBlocks = append(s.kBlocks, kBlock{tap, from})
			}
		}
		first = last
	}
	for i, kb := range s.kBlocks {
		at := k.Shifts[kb.tap]
		s.offsets = append(s.offsets, ((at.Residue*p.blockPositions+at.Shift)*p.pitch+kb.from)*2)
		s.offsetsB = append(s.offsetsB, i*p.parts()*p.kChannels*kernels.Side*2)
	}
	return s
}

// besides tells whether two taps see neighbouring pixels.
func besides(a, b plans.TapShift) bool {
	return a.Residue == b.Residue && (a.Shift-b.Shift == 1 || b.Shift-a.Shift == 1)
}
