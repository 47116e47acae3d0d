package tiled

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// GradBlocks cut a gradient to the weights into tasks: of blocks of its rows and columns,
// in tiles, and of splits of the positions that are summed over (split-K).
type GradBlocks struct {
	RowTiles, ColTiles   int
	Tall, Wide           int // tiles of rows and columns in a block
	RowBlocks, ColBlocks int
	Splits               int
}

// Block chooses the size of blocks.
func (c *GradBlocks) Block(tall, wide int) {
	c.Tall, c.Wide = tall, wide
	c.RowBlocks, c.ColBlocks = plans.CeilDiv(c.RowTiles, tall), plans.CeilDiv(c.ColTiles, wide)
}

func (c *GradBlocks) count() int { return c.RowBlocks * c.ColBlocks }

// Tasks is their number; the blocks of a split follow one another.
func (c *GradBlocks) Tasks() int { return c.Splits * c.count() }

// First is the first tile of rows and that of columns of a block.
func (c *GradBlocks) First(block int) (row, col int) {
	return block % c.RowBlocks * c.Tall, block / c.RowBlocks * c.Wide
}

// each calls f for every tile of rows and of columns of a block, the i'th of tall·wide.
func (c *GradBlocks) each(block int, f func(row, col, i int)) {
	firstRow, firstCol := c.First(block)
	for r := range min(c.Tall, c.RowTiles-firstRow) {
		for k := range min(c.Wide, c.ColTiles-firstCol) {
			f(firstRow+r, firstCol+k, r*c.Wide+k)
		}
	}
}

// GradTask are the parts of a gradient: sum makes the sums of a split for a block, add
// adds those of another split for the i'th tile, and store makes its gradients of them.
type GradTask struct {
	Sum   func(worker int, sums []float32, split, block int)
	Add   func(sums, more []float32, i int)
	Store func(worker int, sums []float32, row, col, i int)
}

// Phases are those of all tasks, with memory for the sums: of a worker if there is one
// split, or else of a task.
func (c *GradBlocks) Phases(memory []float32, size int, t GradTask) []par.Phase {
	blocks := c.count()
	phases := []par.Phase{{Name: "tiles", Tasks: c.Tasks(), Run: func(task, worker int) {
		at := task
		if c.Splits == 1 {
			at = worker
		}
		sums := memory[at*size:][:size]
		t.Sum(worker, sums, task/blocks, task%blocks)
		if c.Splits == 1 {
			c.each(task%blocks, func(row, col, i int) { t.Store(worker, sums, row, col, i) })
		}
	}}}
	if c.Splits == 1 {
		return phases
	}
	return append(phases, par.Phase{Name: "reorder", Tasks: blocks, Run: func(block, worker int) {
		c.each(block, func(row, col, i int) {
			sums := memory[block*size:][:size]
			for s := 1; s < c.Splits; s++ {
				t.Add(sums, memory[(s*blocks+block)*size:], i)
			}
			t.Store(worker, sums, row, col, i)
		})
	}})
}

// SumsOf is how often memory for the sums is wanted.
func (c *GradBlocks) SumsOf(workers int) int {
	if c.Splits > 1 {
		return c.Tasks()
	}
	return workers
}
