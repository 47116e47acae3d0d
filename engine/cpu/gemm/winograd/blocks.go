package winograd

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

const (
	// winoFiltersBytes bounds the transformed filters that are kept for all blocks.
	winoFiltersBytes = 8 << 20
	// winoBlockBytes bounds V and M of a block, which stay in the second-level cache.
	winoBlockBytes = 640 << 10
	// winoBlocks is the least number of blocks, so that all workers have some.
	winoBlocks = 8
)

// blockTiles is the number of tiles in a block, or 0 if rounds are better.
func (p *winogradPlan) blockTiles() int {
	perRow := p.size.All() * (p.conv.C + p.Kernel.Cols) * 4 * p.Kernel.Rows
	n := winoBlockBytes / perRow * p.Kernel.Rows
	if p.filtersLen()*4 > winoFiltersBytes || p.tiles() < winoBlocks*n {
		return 0
	}
	return n
}

// filtersLen is the length of all transformed filters, [panel][ξ][C][cols].
func (p *winogradPlan) filtersLen() int {
	return p.panels * p.size.All() * p.conv.C * p.Kernel.Cols
}

// blockLen is the length of V and M of a block.
func (p *winogradPlan) blockLen() int {
	return p.size.All() * (p.pitchV + p.pitchM)
}

// bindBlocks transforms the filters once; a task then makes the results of a block
// of tiles, so that V and M are a worker's own and never leave its caches.
func (p *winogradPlan) bindBlocks(a plans.Args) []par.Phase {
	u := a.Scratch[:p.filtersLen()]
	for i := range p.workers {
		w := &p.workers[i]
		w.v = a.Scratch[len(u)+i*p.blockLen():][:p.size.All()*p.pitchV]
		w.m = a.Scratch[len(u)+i*p.blockLen()+len(w.v):][:p.size.All()*p.pitchM]
	}
	p.widening(a, a.Scratch[len(u)+len(p.workers)*p.blockLen():])
	tile, row := p.size.Tile, p.size.Tile*p.conv.C*p.Kernel.Cols
	return []par.Phase{
		{Name: "winograd filters", Tasks: p.panels * tile, Run: func(task, worker int) {
			p.transformFilters(&p.workers[worker], &a, u[task*row:], task/tile, task%tile)
		}},
		{Name: "winograd blocks", Tasks: plans.CeilDiv(p.tiles(), p.round), Run: func(task, worker int) {
			p.block(&p.workers[worker], &a, u, task*p.round)
		}},
	}
}

// block makes the results of the tiles of a block.
func (p *winogradPlan) block(w *winogradWorker, a *plans.Args, u []float32, first int) {
	c, cols, all := p.conv.C, p.Kernel.Cols, p.size.All()
	n := min(p.round, p.tiles()-first)
	for t := range n {
		p.transformInput(w, a.X, w.v, c, first+t, t)
	}
	p.setBias(w, a)
	for panel := range p.panels {
		for xi := range all {
			p.multiply(w, u[(panel*all+xi)*c*cols:], w.v[xi*p.pitchV:], rowsOf{w.m[xi*p.pitchM:], cols}, panel, n)
		}
		from := panel * cols
		for t := range n {
			p.transformOutput(w, a, rowsOf{w.m[t*cols:], cols}, first+t, channels{from, min(cols, p.conv.O-from)})
		}
	}
}
