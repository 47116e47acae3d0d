package gemm

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
)

// rowsGradCut is how a gradient to the weights along rows is cut into lines, bands and
// tasks.
type rowsGradCut struct {
	gradGroups
	across   int // pairs of a line in one row of a picture
	strips   int // parts of a row that long
	band     int // rows of a piece of a picture, lines of a band
	pieces   int // that a picture's strip is cut into
	together int // pieces in a line
	bands    int
}

const (
	rowsGradBand     = 4         // lines, at most, of which 16 KB of dy and 24 KB of x stay in the first-level cache
	rowsGradSums     = 480 << 10 // bytes of a task's sums, in the second-level cache
	rowsGradChannels = 32        // at least, of both sides
)

// choosesWinogradRowsGrad tells whether the split gradient to the weights takes
// Winograd's way.
func choosesWinogradRowsGrad(c plans.Conv) bool {
	return takesWinogradRowsGrad(c) && min(c.C, c.O) >= rowsGradChannels
}

// takesWinogradRowsGrad tells whether a gradient to the weights can be computed so:
// words of two pairs fill the rows, rows fill lines or lines rows, and vectors the channels.
func takesWinogradRowsGrad(c plans.Conv) bool {
	pads := [4]int{c.PadTop, c.PadBottom, c.PadLeft, c.PadRight}
	if c.KH != 3 || c.KW != 3 || c.Stride != 1 || pads != [4]int{1, 1, 1, 1} || c.Factor() != 1 || c.W == 0 || c.W%4 != 0 {
		return false
	}
	pairs := c.W / 2
	return (kernels.Step%pairs == 0 || pairs%kernels.Step == 0) && c.C%16 == 0 && c.O%16 == 0
}

// cutRowsGrad chooses groups and splits; none may follow the number of workers.
func cutRowsGrad(c plans.Conv) rowsGradCut {
	cut := rowsGradCut{gradGroups: gradGroups{rowTiles: plans.CeilDiv(c.O, kernels.Side), colTiles: plans.CeilDiv(c.C, kernels.Side)}}
	cut.across = min(c.W/2, kernels.Step)
	cut.strips, cut.together = c.W/2/cut.across, kernels.Step/cut.across
	cut.pieces = plans.CeilDiv(c.H, rowsGradBand)
	cut.band = plans.CeilDiv(c.H, cut.pieces)
	cut.bands = cut.strips * plans.CeilDiv(c.N*cut.pieces, cut.together)
	best, chosen := math.Inf(1), cut
	for tall := 1; tall <= cut.rowTiles; tall++ {
		for wide := 1; wide <= cut.colTiles; wide++ {
			if tall*wide > 1 && tall*wide*12*kernels.Side*kernels.Side*4 > rowsGradSums {
				break
			}
			try := cut
			try.group(tall, wide)
			for try.splits = 1; try.splits <= min(gradTasks, cut.bands); try.splits *= 2 {
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
func (c *rowsGradCut) cost() float64 {
	const own, turned, product, sums = 0.7, 1.7, 300, 2.5      // cycles for a number, or a step
	line := float64(c.bands * 2 * kernels.Step * kernels.Side) // numbers of a panel of 32 channels
	tiles := float64(c.rowTiles * c.colTiles)
	work := line * (own*float64((c.band+2)*c.colTiles*c.rowGroups) + turned*float64(c.band*c.rowTiles*c.colGroups))
	work += product * 12 * float64(c.bands*c.band) * tiles
	if c.splits > 1 {
		work += sums * float64(c.splits) * 12 * kernels.Side * kernels.Side * tiles
	}
	tasks := c.tasks()
	return work * float64(plans.RoundUp(tasks, gradTasks)) / float64(tasks)
}
