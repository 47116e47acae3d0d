package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/par"
)

const (
	bandBytes     = 2 << 20 // of the copy of a band, the second-level cache of every worker
	bandWorkers   = 8       // that a band grows with
	mostTiles     = 16      // in a block, whose sums take 4 KB each
	tasksOfWorker = 4
)

// tilesCut is how the work on a product is cut: into bands of positions, one
// after the other, and each of those into tasks, blocks of tiles of 32 positions
// by groups of panels of 32 columns.
type tilesCut struct {
	band        int // positions
	blockTiles  int
	groupPanels int
}

// cutTiles cuts a product whose rows are pitch bfloat16 long. A band's copy takes so
// many bytes, or more where it would otherwise repeat too much of its neighbours. Panels are divided between tasks before blocks
// become small, as each block reads all weights of its panels.
func cutTiles(p *product, bytes, pitch, panels, workers int) tilesCut {
	all := roundUp(p.positions(), side)
	most := max(bytes/(p.planes*pitch*2)-p.slack, 4*p.slack, mostTiles*side)
	c := tilesCut{band: roundUp(ceilDiv(all, ceilDiv(all, most)), side)}
	count, want, groups := c.band/side, max(tasksOfWorker*workers, 8), 1
	blocks := ceilDiv(count, mostTiles)
	for blocks*groups < want && groups < panels {
		groups = min(2*groups, panels)
	}
	for blocks*groups < want && blocks < count {
		blocks = min(2*blocks, count)
	}
	c.blockTiles, c.groupPanels = ceilDiv(count, blocks), ceilDiv(panels, groups)
	return c
}

// bandRows is the number of positions in a plane of a band's copy.
func (p *tilesPlan) bandRows() int { return p.band + p.slack }

// bandLen is the size of a band's copy in float32 words, whole cache lines.
func (p *tilesPlan) bandLen() int { return roundUp(p.planes*p.bandRows()*p.pitch/2, 16) }

func (p *tilesPlan) bind(a Args) []par.Phase {
	var phases []par.Phase
	for k := range p.classes {
		if len(p.classes[k].taps) == 0 {
			phases = append(phases, p.noTaps(a, k))
		}
	}
	copied := unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(a.Scratch))), 2*p.bandLen())
	acc := a.Scratch[p.bandLen():]
	size := p.accLen()
	for band := range ceilDiv(p.positions(), p.band) {
		phases = append(phases, p.layOut(&a, copied, band))
		count := min(p.band, roundUp(p.positions()-band*p.band, side)) / side
		blocks, groups := ceilDiv(count, p.blockTiles), ceilDiv(p.panels, p.groupPanels)
		for k := range p.classes {
			if len(p.classes[k].taps) == 0 {
				continue
			}
			phases = append(phases, par.Phase{Name: "tiles", Tasks: blocks * groups, Run: func(task, worker int) {
				first, panel := task%blocks*p.blockTiles, task/blocks*p.groupPanels
				p.block(&a, &p.workers[worker], acc[worker*size:][:size], band, k, first, min(first+p.blockTiles, count), panel, min(panel+p.groupPanels, p.panels))
			}})
		}
	}
	return phases
}

// layOut copies a band of the grid as bfloat16 [plane][position][pitch].
func (p *tilesPlan) layOut(a *Args, copied []uint16, band int) par.Phase {
	rows := p.bandRows()
	block := max(1<<15/p.pitch, 1)
	blocks := ceilDiv(rows, block)
	return par.Phase{Name: "lay out", Tasks: p.planes * blocks, Run: func(task, worker int) {
		plane, from := task/blocks, task%blocks*block
		to := min(from+block, rows)
		p.layOutRange(&p.workers[worker].round, a, copied[(plane*rows+from)*p.pitch:(plane*rows+to)*p.pitch], plane, band*p.band+from)
	}}
}

// layOutRange fills dst from a position of a plane on.
func (p *tilesPlan) layOutRange(w *rowsArgs, a *Args, dst []uint16, plane, position int) {
	*w = rowsArgs{ldd: p.pitch * 2, lds: p.stride * p.depth * 4, n: p.depth}
	if p.split {
		w.low = p.part * 2
	}
	for len(dst) > 0 {
		pixel, n := p.run(plane, position)
		n = min(n, len(dst)/p.pitch)
		if pixel < 0 || p.depth < p.part {
			clear(dst[:n*p.pitch])
		}
		switch {
		case pixel < 0:
		case p.normed:
			p.layOutNormed(w, a, dst, pixel, n)
		default:
			p.layOutPixels(w, a.X, dst, pixel, n)
		}
		position += n
		dst = dst[n*p.pitch:]
	}
}

// layOutPixels lays out n pixels of one row of a picture.
func (p *tilesPlan) layOutPixels(w *rowsArgs, x []float32, dst []uint16, pixel, n int) {
	if p.up == 1 {
		p.lay(w, x[pixel*p.depth:], dst, n)
		return
	}
	row, column := pixel/p.w, pixel%p.w
	x = x[row/p.up*(p.w/p.up)*p.depth:] // the height is a multiple of up
	w.lds = 0
	for end := column + n; column < end; {
		same := min(p.up-column%p.up, end-column) // positions that see the same pixel
		p.lay(w, x[column/p.up*p.depth:], dst, same)
		dst = dst[same*p.pitch:]
		column += same
	}
}

func (p *tilesPlan) lay(w *rowsArgs, x []float32, dst []uint16, n int) {
	w.src, w.dst, w.count = &x[0], unsafe.Pointer(&dst[0]), n
	if p.normed {
		p.normRows(w)
	} else {
		p.rows(w)
	}
}

// noTaps fills results that no tap reaches (a stride larger than the kernel).
func (p *tilesPlan) noTaps(a Args, k int) par.Phase {
	return par.Serial("no taps", func() {
		for at := range p.positions() {
			r, _ := p.result(k, at)
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
