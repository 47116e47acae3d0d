package gemm

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// gradGroups cut a gradient to the weights into tasks: of groups of tiles, of rows and
// columns, and of splits of the positions that are summed over.
type gradGroups struct {
	rowTiles, colTiles   int
	tall, wide           int // tiles of rows and columns in a group
	rowGroups, colGroups int
	splits               int
}

// group chooses the size of groups.
func (c *gradGroups) group(tall, wide int) {
	c.tall, c.wide = tall, wide
	c.rowGroups, c.colGroups = plans.CeilDiv(c.rowTiles, tall), plans.CeilDiv(c.colTiles, wide)
}

func (c *gradGroups) count() int { return c.rowGroups * c.colGroups }

// tasks is their number; the groups of a split follow one another.
func (c *gradGroups) tasks() int { return c.splits * c.count() }

// first is the first tile of rows and that of columns of a group.
func (c *gradGroups) first(group int) (row, col int) {
	return group % c.rowGroups * c.tall, group / c.rowGroups * c.wide
}

// each calls f for every tile of rows and of columns of a group, the i'th of tall·wide.
func (c *gradGroups) each(group int, f func(row, col, i int)) {
	firstRow, firstCol := c.first(group)
	for r := range min(c.tall, c.rowTiles-firstRow) {
		for k := range min(c.wide, c.colTiles-firstCol) {
			f(firstRow+r, firstCol+k, r*c.wide+k)
		}
	}
}

// gradTask are the parts of a gradient: sum makes the sums of a split for a group, add
// adds those of another split for the i'th tile, and store makes its gradients of them.
type gradTask struct {
	sum   func(worker int, sums []float32, split, group int)
	add   func(sums, more []float32, i int)
	store func(worker int, sums []float32, row, col, i int)
}

// phases are those of all tasks, with memory for the sums: of a worker if there is one
// split, or else of a task.
func (c *gradGroups) phases(memory []float32, size int, t gradTask) []par.Phase {
	groups := c.count()
	phases := []par.Phase{{Name: "tiles", Tasks: c.tasks(), Run: func(task, worker int) {
		at := task
		if c.splits == 1 {
			at = worker
		}
		sums := memory[at*size:][:size]
		t.sum(worker, sums, task/groups, task%groups)
		if c.splits == 1 {
			c.each(task%groups, func(row, col, i int) { t.store(worker, sums, row, col, i) })
		}
	}}}
	if c.splits == 1 {
		return phases
	}
	return append(phases, par.Phase{Name: "reorder", Tasks: groups, Run: func(group, worker int) {
		c.each(group, func(row, col, i int) {
			sums := memory[group*size:][:size]
			for s := 1; s < c.splits; s++ {
				t.add(sums, memory[(s*groups+group)*size:], i)
			}
			t.store(worker, sums, row, col, i)
		})
	}})
}

// sumsOf is how often memory for the sums is wanted.
func (c *gradGroups) sumsOf(workers int) int {
	if c.splits > 1 {
		return c.tasks()
	}
	return workers
}
