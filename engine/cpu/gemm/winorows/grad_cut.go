package winorows

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
)

// RowsGradCut is how a gradient to the weights along rows is cut into steps, K blocks and
// tasks.
type RowsGradCut struct {
	tiled.GradBlocks
	Across     int // pairs of a step that lie in one row of a picture
	OWBlocks   int // of a row, that long
	BlockSteps int // steps of a K block, the rows of a picture's block
	OHBlocks   int // of such rows, of a picture
	Together   int // of those in a step
	KBlocks    int
}

const (
	rowsGradSteps    = 4         // steps, at most, of which 16 KB of dy and 24 KB of x stay in the first-level cache
	RowsGradSums     = 480 << 10 // bytes of a task's sums, in the second-level cache
	rowsGradChannels = 32        // at least, of both sides
)

// PaysGrad tells whether the split gradient to the weights takes
// Winograd's way.
func PaysGrad(c plans.Conv) bool {
	return TakesGrad(c) && min(c.C, c.O) >= rowsGradChannels
}

// TakesGrad tells whether a gradient to the weights can be computed so:
// words of two pairs fill the rows, rows fill steps or steps rows, and vectors the channels.
func TakesGrad(c plans.Conv) bool {
	pads := [4]int{c.PadTop, c.PadBottom, c.PadLeft, c.PadRight}
	if c.KH != 3 || c.KW != 3 || c.Stride != 1 || pads != [4]int{1, 1, 1, 1} || c.Factor() != 1 || c.W == 0 || c.W%4 != 0 {
		return false
	}
	pairs := c.W / 2
	return (kernels.Step%pairs == 0 || pairs%kernels.Step == 0) && c.C%16 == 0 && c.O%16 == 0
}

// CutRowsGrad chooses blocks and splits; none may follow the number of workers.
func CutRowsGrad(c plans.Conv) RowsGradCut {
	cut := RowsGradCut{GradBlocks: tiled.GradBlocks{RowTiles: plans.CeilDiv(c.O, kernels.Side), ColTiles: plans.CeilDiv(c.C, kernels.Side)}}
	cut.Across = min(c.W/2, kernels.Step)
	cut.OWBlocks, cut.Together = c.W/2/cut.Across, kernels.Step/cut.Across
	cut.OHBlocks = plans.CeilDiv(c.H, rowsGradSteps)
	cut.BlockSteps = plans.CeilDiv(c.H, cut.OHBlocks)
	cut.KBlocks = cut.OWBlocks * plans.CeilDiv(c.N*cut.OHBlocks, cut.Together)
	best, chosen := math.Inf(1), cut
	for tall := 1; tall <= cut.RowTiles; tall++ {
		for wide := 1; wide <= cut.ColTiles; wide++ {
			if tall*wide > 1 && tall*wide*12*kernels.Side*kernels.Side*4 > RowsGradSums {
				break
			}
			try := cut
			try.Block(tall, wide)
			for try.Splits = 1; try.Splits <= min(tiled.GradTasks, cut.KBlocks); try.Splits *= 2 {
				if cost := try.cost(); cost < best {
					best, chosen = cost, try
				}
			}
		}
	}
	return chosen
}

// cost estimates cycles: laying out x for every block of rows, and dy for every block of
// columns; the products; and writing and adding up the splits.
func (c *RowsGradCut) cost() float64 {
	const own, turned, product, sums = 0.7, 1.7, 300, 2.5        // cycles for a number, or a step
	step := float64(c.KBlocks * 2 * kernels.Step * kernels.Side) // numbers of a panel of 32 channels
	tiles := float64(c.RowTiles * c.ColTiles)
	work := step * (own*float64((c.BlockSteps+2)*c.ColTiles*c.RowBlocks) + turned*float64(c.BlockSteps*c.RowTiles*c.ColBlocks))
	work += product * 12 * float64(c.KBlocks*c.BlockSteps) * tiles
	if c.Splits > 1 {
		work += sums * float64(c.Splits) * 12 * kernels.Side * kernels.Side * tiles
	}
	tasks := c.Tasks()
	return work * float64(plans.RoundUp(tasks, tiled.GradTasks)) / float64(tasks)
}
