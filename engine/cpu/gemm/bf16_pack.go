package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/par"
)

// pack orders the weights as [class][panel][unit][part][k pair][32 columns], a
// word holding two neighbouring k of a column.
func (p *tilesPlan) pack(dst, raw []float32, w weights) []par.Phase {
	words := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(dst))), len(dst))
	panels := w.panels(side)
	return []par.Phase{{Name: "pack", Tasks: len(p.classes) * panels, Run: func(task, worker int) {
		k, panel := task/panels, task%panels
		first, n := w.columns(panel, side)
		s := &p.sums[k]
		size := p.parts() * p.chunk * side / 2
		for i, u := range s.units {
			out := words[s.start+panel*s.size+i*size:][:size]
			from := w.tap[p.classes[k].taps[u.tap]] + first*w.strideCol + u.from*w.strideDepth
			p.packUnit(&p.workers[worker], out, raw[from:], w, n, min(p.chunk, p.depth-u.from))
		}
	}}}
}

// packUnit packs n columns of so many channels, a step at a time.
func (p *tilesPlan) packUnit(own *tilesWorker, out []uint32, raw []float32, w weights, n, channels int) {
	own.round = rowsArgs{ldd: side * 4, src: &own.weights[0], lds: side * 4, n: side, count: step / 2}
	if p.split {
		own.round.low = p.chunk / 2 * side * 4
	}
	for first := 0; first < channels; first += step {
		count := min(step, channels-first)
		if n < side || count < step {
			clear(own.weights[:])
		}
		for c := range n {
			from := c*w.strideCol + first*w.strideDepth
			for d := range count {
				own.weights[d*side+c] = raw[from]
				from += w.strideDepth
			}
		}
		own.round.dst = unsafe.Pointer(&out[first/2*side])
		p.rowPairs(&own.round)
	}
}
