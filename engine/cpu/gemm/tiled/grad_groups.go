package tiled

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/par"
)

// GradGroups cut a gradient to the weights into tasks: of groups of tiles, of rows and
// columns, and of splits of the positions that are summed over.
type GradGroups struct {
	RowTiles, ColTiles   int
	Tall, Wide           int // tiles of rows and columns in a group
	RowGroups, ColGroups int
	Splits               int
}

// Group chooses the size of groups.
func (c *GradGroups) Group(tall, wide int) {
	c.Tall, c.Wide = tall, wide
	c.RowGroups, c.ColGroups = plans.CeilDiv(c.RowTiles, tall), plans.CeilDiv(c.ColTiles, wide)
}

func (c *GradGroups) count() int { return c.RowGroups * c.ColGroups }

// Tasks is their number; the groups of a split follow one another.
func (c *GradGroups) Tasks() int { return c.Splits * c.count() }

// First is the first tile of rows and that of columns of a group.
func (c *GradGroups) First(group int) (row, col int) {
	return group % c.RowGroups * c.Tall, group / c.RowGroups * c.Wide
}

// each calls f for every tile of rows and of columns of a group, the i'th of tall·wide.
func (c *GradGroups) each(group int, f func(row, col, i int)) {
	firstRow, firstCol := c.First(group)
	for r := range min(c.Tall, c.RowTiles-firstRow) {
		for k := range min(c.Wide, c.ColTiles-firstCol) {
			f(firstRow+r, firstCol+k, r*c.Wide+k)
		}
	}
}

// GradTask are the parts of a gradient: sum makes the sums of a split for a group, add
// adds those of another split for the i'th tile, and store makes its gradients of them.
type GradTask struct {
	Sum   func(worker int, sums []float32, split, group int)
	Add   func(sums, more []float32, i int)
	Store func(worker int, sums []float32, row, col, i int)
}

// Phases are those of all tasks, with memory for the sums: of a worker if there is one
// split, or else of a task.
func (c *GradGroups) Phases(memory []float32, size int, t GradTask) []par.Phase {
	groups := c.count()
	phases := []par.Phase{{Name: "tiles", Tasks: c.Tasks(), Run: func(task, worker int) {
		at := task
		if c.Splits == 1 {
			at = worker
		}
		sums := memory[at*size:][:size]
		t.Sum(worker, sums, task/groups, task%groups)
		if c.Splits == 1 {
			c.each(task%groups, func(row, col, i int) { t.Store(worker, sums, row, col, i) })
		}
	}}}
	if c.Splits == 1 {
		return phases
	}
	return append(phases, par.Phase{Name: "reorder", Tasks: groups, Run: func(group, worker int) {
		c.each(group, func(row, col, i int) {
			sums := memory[group*size:][:size]
			for s := 1; s < c.Splits; s++ {
				t.Add(sums, memory[(s*groups+group)*size:], i)
			}
			t.Store(worker, sums, row, col, i)
		})
	}})
}

// SumsOf is how often memory for the sums is wanted.
func (c *GradGroups) SumsOf(workers int) int {
	if c.Splits > 1 {
		return c.Tasks()
	}
	return workers
}
