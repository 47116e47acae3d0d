package cpu

import (
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/graph"
)

// concat copies rows, one of each input, behind one another.
type concat struct {
	rows   int
	widths []int // of the inputs' rows
	width  int   // of the output's
	block  int   // rows in a task
}

// lowerConcat lets the result grow out of the first input where that ends here: a
// U-Net's widest values, before and behind its concatenations, then lie in one buffer.
func lowerConcat(op graph.Concat, n *graph.Node) lowered {
	y := n.Out[0].Shape
	c := concat{rows: y[:op.Axis].Size(), width: y[op.Axis:].Size()}
	for _, v := range n.Inputs {
		c.widths = append(c.widths, v.Shape()[op.Axis:].Size())
	}
	c.block = max(blockSize/max(c.width, 1), 1)
	return lowered{inPlace: []int{0}, grows: true, bind: func(b *binding) []par.Phase {
		if len(b.out[0]) == 0 || &b.in[0][0] != &b.out[0][0] {
			return []par.Phase{c.copies(b, 0, c.rows)}
		}
		return c.grow(b)
	}}
}

// grow copies the last rows first. Those whose new addresses lie behind all old ones
// that are still needed can be copied together; the few at the beginning cannot.
func (c *concat) grow(b *binding) []par.Phase {
	var phases []par.Phase
	last := c.rows
	for last > c.block {
		first := (last*c.widths[0] + c.width - 1) / c.width
		if first >= last-c.block {
			break
		}
		phases = append(phases, c.copies(b, first, last))
		last = first
	}
	return append(phases, par.Serial("concat", func() {
		for r := last - 1; r >= 0; r-- {
			c.row(b, r)
		}
	}))
}

func (c *concat) copies(b *binding, first, last int) par.Phase {
	return par.Phase{Name: "concat", Tasks: (last - first + c.block - 1) / c.block, Run: func(task, _ int) {
		from := first + task*c.block
		for r := from; r < min(from+c.block, last); r++ {
			c.row(b, r)
		}
	}}
}

func (c *concat) row(b *binding, r int) {
	row := b.out[0][r*c.width:][:c.width]
	for i, width := range c.widths {
		copy(row, b.in[i][r*width:][:width])
		row = row[width:]
	}
}
