package winorows

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
)

// RowsGradCut is how a gradient to the weights along rows is cut into lines, bands and
// tasks.
type RowsGradCut struct {
	tiled.GradGroups
	Across   int // pairs of a line in one row of a picture
	Strips   int // parts of a row that long
	Band     int // rows of a piece of a picture, lines of a band
	Pieces   int // that a picture's strip is cut into
	Together int // pieces in a line
	Bands    int
}

const (
	rowsGradBand     = 4         // lines, at most, of which 16 KB of dy and 24 KB of x stay in the first-level cache
	RowsGradSums     = 480 << 10 // bytes of a task's sums, in the second-level cache
	rowsGradChannels = 32        // at least, of both sides
)

// PaysGrad tells whether the split gradient to the weights takes
// Winograd's way.
func PaysGrad(c plans.Conv) bool {
	return TakesGrad(c) && min(c.C, c.O) >= rowsGradChannels
}

// TakesGrad tells whether a gradient to the weights can be computed so:
// words of two pairs fill the rows, rows fill lines or lines rows, and vectors the channels.
func TakesGrad(c plans.Conv) bool {
	pads := [4]int{c.PadTop, c.PadBottom, c.PadLeft, c.PadRight}
	if c.KH != 3 || c.KW != 3 || c.Stride != 1 || pads != [4]int{1, 1, 1, 1} || c.Factor() != 1 || c.W == 0 || c.W%4 != 0 {
		return false
	}
	pairs := c.W / 2
	return (kernels.Step%pairs == 0 || pairs%kernels.Step == 0) && c.C%16 == 0 && c.O%16 == 0
}

// CutRowsGrad chooses groups and splits; none may follow the number of workers.
func CutRowsGrad(c plans.Conv) RowsGradCut {
	cut := RowsGradCut{GradGroups: tiled.GradGroups{RowTiles: plans.CeilDiv(c.O, kernels.Side), ColTiles: plans.CeilDiv(c.C, kernels.Side)}}
	cut.Across = min(c.W/2, kernels.Step)
	cut.Strips, cut.Together = c.W/2/cut.Across, kernels.Step/cut.Across
	cut.Pieces = plans.CeilDiv(c.H, rowsGradBand)
	cut.Band = plans.CeilDiv(c.H, cut.Pieces)
	cut.Bands = cut.Strips * plans.CeilDiv(c.N*cut.Pieces, cut.Together)
	best, chosen := math.Inf(1), cut
	for tall := 1; tall <= cut.RowTiles; tall++ {
		for wide := 1; wide <= cut.ColTiles; wide++ {
			if tall*wide > 1 && tall*wide*12*kernels.Side*kernels.Side*4 > RowsGradSums {
				break
			}
			try := cut
			try.Group(tall, wide)
			for try.Splits = 1; try.Splits <= min(tiled.GradTasks, cut.Bands); try.Splits *= 2 {
				if cost := try.cost(); cost < best {
					best, chosen = cost, try
				}
			}
		}
	}
	return chosen
}

// cost estimates cycles: laying out x for every group of rows, and dy for every group of
// columns; the products; and writing and adding up the splits.
func (c *RowsGradCut) cost() float64 {
	const own, turned, product, sums = 0.7, 1.7, 300, 2.5      // cycles for a number, or a step
	line := float64(c.Bands * 2 * kernels.Step * kernels.Side) // numbers of a panel of 32 channels
	tiles := float64(c.RowTiles * c.ColTiles)
	work := line * (own*float64((c.Band+2)*c.ColTiles*c.RowGroups) + turned*float64(c.Band*c.RowTiles*c.ColGroups))
	work += product * 12 * float64(c.Bands*c.Band) * tiles
	if c.Splits > 1 {
		work += sums * float64(c.Splits) * 12 * kernels.Side * kernels.Side * tiles
	}
	tasks := c.Tasks()
	return work * float64(plans.RoundUp(tasks, tiled.GradTasks)) / float64(tasks)
}
