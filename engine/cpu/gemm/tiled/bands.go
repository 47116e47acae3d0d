package tiled

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/tensor"
)

const (
	bandBytes     = 2 << 20 // of the copy of a band, the second-level cache of every worker
	bandWorkers   = 8       // that a band grows with
	stripeBytes   = 5 << 18 // of a worker's own copy, in its second-level cache beside the weights
	stripeSplit   = 3 << 18 // and of one of high and low parts: their steps load more
	mostTiles     = 16      // in a block, whose sums take 4 KB each
	fewTiles      = 6       // that keep a worker's memory busy enough with weights,
	fewSplit      = 5       // and those of split products of matrices
	TasksOfWorker = 4
	longestTask   = 1 << 35 // multiplications, about 0.2 s: a run can be cancelled between tasks alone
)

// tilesCut is how the work on a product is cut: into bands of tiles of 32 positions, and
// those into tasks, blocks of tiles by groups of panels of 32 columns.
//
// Where there are positions enough, a task is a stripe of bands, each a block for all
// panels: its worker lays out its own copy of one after the other, which it then finds
// in its own cache. Elsewhere all workers lay out a band, and share its copy.
type tilesCut struct {
	band        int // tiles
	blockTiles  int
	groupPanels int
	stripe      int // bands; 0: copies are shared
}

// cutTiles cuts a product whose rows are pitch bfloat16 long. The copy of a shared band
// takes so many bytes, or more where it would otherwise repeat too much of its neighbours.
// Panels are divided between tasks before blocks become small, as each block reads all
// weights of its panels; split products, whose steps take three times as long, bear that
// for rows that fit the second-level cache.
func cutTiles(p *plans.Product, bytes, pitch, panels, workers int, split bool) tilesCut {
	all, few := plans.CeilDiv(p.Lines(), 2), fewTiles
	if split && p.Slack == 0 {
		few = fewSplit
	}
	fits := min(max((stripeOf(split)/(p.Planes*pitch*2)-p.Slack)/kernels.Side, few), mostTiles)
	if bands := plans.CeilDiv(all, fits); bands >= 2*workers && bytes > 0 {
		band := max(fits*kernels.Side*panels*kernels.Side*p.Depth*tapsOf(p), 1)
		stripe := min(plans.CeilDiv(bands, min(max(TasksOfWorker*workers, 1), bands)), max(longestTask/band, 1))
		tiles := plans.CeilDiv(all, plans.RoundUp(bands, stripe))
		return tilesCut{band: tiles, blockTiles: tiles, groupPanels: panels, stripe: stripe}
	}
	most := max((bytes/(p.Planes*pitch*2)-p.Slack)/kernels.Side, 4*p.Slack/kernels.Side, mostTiles)
	c := tilesCut{band: plans.CeilDiv(all, plans.CeilDiv(all, most))}
	count, want, groups := c.band, max(TasksOfWorker*workers, 8), 1
	blocks := plans.CeilDiv(count, mostTiles)
	if split {
		blocks = plans.CeilDiv(count, fits)
	}
	for blocks*groups < want && groups < panels {
		groups = min(2*groups, panels)
	}
	for blocks*groups < want && blocks < count {
		blocks = min(2*blocks, count)
	}
	c.blockTiles, c.groupPanels = plans.CeilDiv(count, blocks), plans.CeilDiv(panels, groups)
	return c
}

// tapsOf is how many rows of the picture are summed for a row of the result, at most.
func tapsOf(p *plans.Product) int {
	most := 0
	for _, c := range p.Classes {
		most = max(most, len(c.Taps))
	}
	return most
}

// stripeOf is the memory of a worker's own copy.
func stripeOf(split bool) int {
	if split {
		return stripeSplit
	}
	return stripeBytes
}

// region is where the positions of a band lie, with those that its taps reach.
func (p *tilesPlan) region(band int) (from, to int) {
	first := band * p.band
	return p.Start(2 * first), p.Start(2*(first+p.tilesIn(band))-1) + plans.Line + p.Slack
}

// bands is their number.
func (p *tilesPlan) bands() int { return plans.CeilDiv(plans.CeilDiv(p.Lines(), 2), p.band) }

// tilesIn is the number of tiles of a band.
func (p *tilesPlan) tilesIn(band int) int {
	return min(p.band, plans.CeilDiv(p.Lines(), 2)-band*p.band)
}

// longestBand is the number of positions in a plane of a band's copy.
func (p *tilesPlan) longestBand() int {
	n := 0
	for band := range p.bands() {
		from, to := p.region(band)
		n = max(n, to-from)
	}
	return n
}

// bandLen is the size of a band's copy in float32 words, whole cache lines.
func (p *tilesPlan) bandLen() int { return plans.RoundUp(p.Planes*p.bandRows*p.pitch/2, 16) }

func (p *tilesPlan) bind(a *plans.Args) []par.Phase {
	var phases []par.Phase
	for k := range p.Classes {
		if len(p.Classes[k].Taps) == 0 {
			phases = append(phases, p.noTaps(*a, k))
		}
	}
	if p.stripe > 0 {
		return append(phases, p.stripes(a))
	}
	copied := tensor.Halves(a.Scratch[:p.bandLen()])
	for band := range p.bands() {
		phases = append(phases, p.layOut(a, copied, band))
		count := p.tilesIn(band)
		blocks, groups := plans.CeilDiv(count, p.blockTiles), plans.CeilDiv(p.panels, p.groupPanels)
		phases = append(phases, par.Phase{Name: "tiles", Tasks: len(p.Classes) * blocks * groups, Run: func(task, worker int) {
			k, task := task/(blocks*groups), task%(blocks*groups)
			first, panel := task%blocks*p.blockTiles, task/blocks*p.groupPanels
			acc := a.Scratch[p.bandLen()+worker*p.accLen():][:p.accLen()]
			p.block(a, &p.workers[worker], copied, acc, block{band, k, first, min(first+p.blockTiles, count), panel, min(panel+p.groupPanels, p.panels)})
		}})
	}
	return phases
}

// stripes lays out and multiplies the bands of every task, one after the other.
func (p *tilesPlan) stripes(a *plans.Args) par.Phase {
	bands := p.bands()
	size := p.bandLen() + p.accLen()
	return par.Phase{Name: "tiles", Tasks: plans.CeilDiv(bands, p.stripe), Run: func(task, worker int) {
		w, memory := &p.workers[worker], a.Scratch[worker*size:][:size]
		copied, acc := tensor.Halves(memory[:p.bandLen()]), memory[p.bandLen():]
		first := task * p.stripe
		for band := first; band < min(first+p.stripe, bands); band++ {
			p.layOutNext(&w.round, a, copied, band, band > first)
			for k := range p.Classes {
				p.block(a, w, copied, acc, block{band, k, 0, p.tilesIn(band), 0, p.panels})
			}
		}
	}}
}

// layOutNext lays out a band. What the one before had of it is moved.
func (p *tilesPlan) layOutNext(w *kernels.RowsArgs, a *plans.Args, copied []uint16, band int, follows bool) {
	from, to := p.region(band)
	have := 0
	for plane := range p.Planes {
		dst := copied[plane*p.bandRows*p.pitch:][:p.bandRows*p.pitch]
		if follows {
			begin, end := p.region(band - 1)
			have = max(end-from, 0)
			copy(dst[:have*p.pitch], dst[(from-begin)*p.pitch:])
		}
		p.layOutRange(w, a, dst[have*p.pitch:(to-from)*p.pitch], plane, from+have)
	}
}

// layOut copies a band of the grid as bfloat16 [plane][position][pitch].
func (p *tilesPlan) layOut(a *plans.Args, copied []uint16, band int) par.Phase {
	first, end := p.region(band)
	rows := end - first
	block := max(1<<15/p.pitch, 1)
	blocks := plans.CeilDiv(rows, block)
	return par.Phase{Name: "lay out", Tasks: p.Planes * blocks, Run: func(task, worker int) {
		plane, from := task/blocks, task%blocks*block
		to := min(from+block, rows)
		p.layOutRange(&p.workers[worker].round, a, copied[(plane*p.bandRows+from)*p.pitch:(plane*p.bandRows+to)*p.pitch], plane, first+from)
	}}
}

// layOutRange fills dst from a position of a plane on.
func (p *tilesPlan) layOutRange(w *kernels.RowsArgs, a *plans.Args, dst []uint16, plane, position int) {
	*w = kernels.RowsArgs{Ldd: p.pitch * 2, Lds: p.Stride * p.Depth * 4, N: p.Depth}
	if p.split {
		w.Low = p.part * 2
	}
	for len(dst) > 0 {
		pixel, n := p.Run(plane, position)
		n = min(n, len(dst)/p.pitch)
		if pixel < 0 || p.Depth < p.part {
			clear(dst[:n*p.pitch])
		}
		switch {
		case pixel < 0:
		case p.HalfX:
			for i := range n {
				copy(dst[i*p.pitch:], a.XHalf[(pixel+i)*p.Depth:][:p.Depth])
			}
		case p.Normed:
			p.layOutNormed(w, a, dst, pixel, n)
		default:
			p.layOutPixels(w, a.X, dst, pixel, n)
		}
		position += n
		dst = dst[n*p.pitch:]
	}
}

// layOutPixels lays out n pixels of one row of a picture.
func (p *tilesPlan) layOutPixels(w *kernels.RowsArgs, x []float32, dst []uint16, pixel, n int) {
	if p.Up == 1 {
		p.lay(w, x[pixel*p.Depth:], dst, n)
		return
	}
	row, column := pixel/p.W, pixel%p.W
	x = x[row/p.Up*(p.W/p.Up)*p.Depth:] // the height is a multiple of up
	w.Lds = 0
	for end := column + n; column < end; {
		same := min(p.Up-column%p.Up, end-column) // positions that see the same pixel
		p.lay(w, x[column/p.Up*p.Depth:], dst, same)
		dst = dst[same*p.pitch:]
		column += same
	}
}

func (p *tilesPlan) lay(w *kernels.RowsArgs, x []float32, dst []uint16, n int) {
	w.Src, w.Dst, w.Count = &x[0], unsafe.Pointer(&dst[0]), n
	if p.Normed {
		p.NormRows(w)
	} else {
		p.Rows(w)
	}
}

// noTaps fills results that no tap reaches (a stride larger than the kernel).
func (p *tilesPlan) noTaps(a plans.Args, k int) par.Phase {
	return par.Serial("no taps", func() {
		for at := range p.Positions() {
			r, _ := p.Result(k, at)
			if r < 0 {
				continue
			}
			for c := range p.cols {
				var v float32
				if a.Bias != nil {
					v = a.Bias[c]
				}
				if a.Add != nil {
					v += a.Add[r*p.cols+c]
				}
				a.Y[r*p.cols+c] = v
			}
		}
	})
}
