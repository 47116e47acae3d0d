package tiled

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/tensor"
)

const (
	sharedBytes    = 2 << 20 // of the copy of a block, the second-level cache of every worker
	sharingWorkers = 8       // that a block grows with
	ownBytes       = 5 << 18 // of a worker's own copy, in its second-level cache beside the weights
	ownSplitBytes  = 3 << 18 // and of one of high and low parts: their steps load more
	mostTiles      = 16      // in a block, whose sums take 4 KB each
	fewTiles       = 6       // that keep a worker's memory busy enough with weights,
	fewSplit       = 5       // and those of split products of matrices
	TasksOfWorker  = 4
	longestTask    = 1 << 35 // multiplications, about 0.2 s: a run can be cancelled between tasks alone
)

// tilesCut is how the work on a product is cut: into blocks of rows, of tiles of 32
// positions, each laid out once (BLIS's blocks of A, MC rows), and those into tasks.
//
// Where there are positions enough, a task takes some blocks, and all panels for each: its
// worker lays out its own copy of one after the other, which it then finds in its own
// cache. Elsewhere all workers lay out a block, share its copy, and divide its tiles and
// the panels.
type tilesCut struct {
	blockTiles int // of a block
	taskTiles  int // of a task, one block's,
	taskPanels int // and its panels
	taskBlocks int // of a task; 0: copies are shared
}

// cutTiles cuts a product whose rows are pitch bfloat16 long. The copy of a shared block
// takes so many bytes, or more where it would otherwise repeat too much of its neighbours.
// Panels are divided between tasks before tasks have few tiles, as each task reads all
// weights of its panels; split products, whose steps take three times as long, bear that
// for rows that fit the second-level cache.
func cutTiles(p *plans.Product, bytes, pitch, panels, workers int, split bool) tilesCut {
	all, few := plans.CeilDiv(p.HalfTiles(), 2), fewTiles
	if split && p.Slack == 0 {
		few = fewSplit
	}
	fits := min(max((ownBlockBytes(split)/(p.Residues*pitch*2)-p.Slack)/kernels.Side, few), mostTiles)
	if blocks := plans.CeilDiv(all, fits); blocks >= 2*workers && bytes > 0 {
		work := max(fits*kernels.Side*panels*kernels.Side*p.Depth*tapsOf(p), 1) // multiplications of a block
		each := min(plans.CeilDiv(blocks, min(max(TasksOfWorker*workers, 1), blocks)), max(longestTask/work, 1))
		tiles := plans.CeilDiv(all, plans.RoundUp(blocks, each))
		return tilesCut{blockTiles: tiles, taskTiles: tiles, taskPanels: panels, taskBlocks: each}
	}
	most := max((bytes/(p.Residues*pitch*2)-p.Slack)/kernels.Side, 4*p.Slack/kernels.Side, mostTiles)
	c := tilesCut{blockTiles: plans.CeilDiv(all, plans.CeilDiv(all, most))}
	count, want := c.blockTiles, max(TasksOfWorker*workers, 8)
	byTiles, byPanels := plans.CeilDiv(count, mostTiles), 1 // how many tasks divide the tiles, and the panels
	if split {
		byTiles = plans.CeilDiv(count, fits)
	}
	for byTiles*byPanels < want && byPanels < panels {
		byPanels = min(2*byPanels, panels)
	}
	for byTiles*byPanels < want && byTiles < count {
		byTiles = min(2*byTiles, count)
	}
	c.taskTiles, c.taskPanels = plans.CeilDiv(count, byTiles), plans.CeilDiv(panels, byPanels)
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

// ownBlockBytes is the memory of a worker's own copy.
func ownBlockBytes(split bool) int {
	if split {
		return ownSplitBytes
	}
	return ownBytes
}

// region is where the positions of a block lie, with those that its taps reach.
func (p *tilesPlan) region(block int) (from, to int) {
	first := block * p.blockTiles
	return p.Start(2 * first), p.Start(2*(first+p.tilesIn(block))-1) + plans.HalfTile + p.Slack
}

// blocks is their number.
func (p *tilesPlan) blocks() int { return plans.CeilDiv(plans.CeilDiv(p.HalfTiles(), 2), p.blockTiles) }

// tilesIn is the number of tiles of a block.
func (p *tilesPlan) tilesIn(block int) int {
	return min(p.blockTiles, plans.CeilDiv(p.HalfTiles(), 2)-block*p.blockTiles)
}

// longestBlock is the number of positions in a residue of a block's copy.
func (p *tilesPlan) longestBlock() int {
	n := 0
	for block := range p.blocks() {
		from, to := p.region(block)
		n = max(n, to-from)
	}
	return n
}

// blockLen is the size of a block's copy in float32 words, whole cache lines.
func (p *tilesPlan) blockLen() int { return plans.RoundUp(p.Residues*p.blockPositions*p.pitch/2, 16) }

func (p *tilesPlan) bind(a *plans.Args) []par.Phase {
	var phases []par.Phase
	for k := range p.Classes {
		if len(p.Classes[k].Taps) == 0 {
			phases = append(phases, p.noTaps(*a, k))
		}
	}
	if p.taskBlocks > 0 {
		return append(phases, p.ownBlocks(a))
	}
	copied := tensor.Halves(a.Scratch[:p.blockLen()])
	for block := range p.blocks() {
		phases = append(phases, p.layOut(a, copied, block))
		count := p.tilesIn(block)
		byTiles, byPanels := plans.CeilDiv(count, p.taskTiles), plans.CeilDiv(p.panels, p.taskPanels)
		phases = append(phases, par.Phase{Name: "tiles", Tasks: len(p.Classes) * byTiles * byPanels, Run: func(task, worker int) {
			k, task := task/(byTiles*byPanels), task%(byTiles*byPanels)
			first, panel := task%byTiles*p.taskTiles, task/byTiles*p.taskPanels
			acc := a.Scratch[p.blockLen()+worker*p.accLen():][:p.accLen()]
			p.multiply(a, &p.workers[worker], copied, acc, target{block, k, first, min(first+p.taskTiles, count), panel, min(panel+p.taskPanels, p.panels)})
		}})
	}
	return phases
}

// ownBlocks lays out and multiplies the blocks of every task, one after the other.
func (p *tilesPlan) ownBlocks(a *plans.Args) par.Phase {
	blocks := p.blocks()
	size := p.blockLen() + p.accLen()
	return par.Phase{Name: "tiles", Tasks: plans.CeilDiv(blocks, p.taskBlocks), Run: func(task, worker int) {
		w, memory := &p.workers[worker], a.Scratch[worker*size:][:size]
		copied, acc := tensor.Halves(memory[:p.blockLen()]), memory[p.blockLen():]
		first := task * p.taskBlocks
		for block := first; block < min(first+p.taskBlocks, blocks); block++ {
			p.layOutNext(&w.round, a, copied, block, block > first)
			for k := range p.Classes {
				p.multiply(a, w, copied, acc, target{block, k, 0, p.tilesIn(block), 0, p.panels})
			}
		}
	}}
}

// layOutNext lays out a block. What the one before had of it is moved.
func (p *tilesPlan) layOutNext(w *kernels.RowsArgs, a *plans.Args, copied []uint16, block int, follows bool) {
	from, to := p.region(block)
	have := 0
	for residue := range p.Residues {
		dst := copied[residue*p.blockPositions*p.pitch:][:p.blockPositions*p.pitch]
		if follows {
			begin, end := p.region(block - 1)
			have = max(end-from, 0)
			copy(dst[:have*p.pitch], dst[(from-begin)*p.pitch:])
		}
		p.layOutPositions(w, a, dst[have*p.pitch:(to-from)*p.pitch], residue, from+have)
	}
}

// layOut copies a block of the grid as bfloat16 [residue][position][pitch].
func (p *tilesPlan) layOut(a *plans.Args, copied []uint16, block int) par.Phase {
	first, end := p.region(block)
	rows := end - first
	each := max(1<<15/p.pitch, 1)
	tasks := plans.CeilDiv(rows, each) // of a residue
	return par.Phase{Name: "lay out", Tasks: p.Residues * tasks, Run: func(task, worker int) {
		residue, from := task/tasks, task%tasks*each
		to := min(from+each, rows)
		p.layOutPositions(&p.workers[worker].round, a, copied[(residue*p.blockPositions+from)*p.pitch:(residue*p.blockPositions+to)*p.pitch], residue, first+from)
	}}
}

// layOutPositions fills dst from a position of a residue on.
func (p *tilesPlan) layOutPositions(w *kernels.RowsArgs, a *plans.Args, dst []uint16, residue, position int) {
	*w = kernels.RowsArgs{Ldd: p.pitch * 2, Lds: p.Stride * p.Depth * 4, N: p.Depth}
	if p.split {
		w.Low = p.channels * 2
	}
	for len(dst) > 0 {
		pixel, n := p.Run(residue, position)
		n = min(n, len(dst)/p.pitch)
		if pixel < 0 || p.Depth < p.channels {
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
