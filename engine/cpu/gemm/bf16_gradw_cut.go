package gemm

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
)

// gradCut is how a gradient to the weights is cut into tasks.
type gradCut struct {
	gradGroups
	taps   int
	length int // positions of a split
	band   int // positions of it that are laid out together
	chunk  int // positions of a band of which all taps are summed before going on
}

const (
	gradBytes   = 1792 << 10 // of a second-level cache of 2 MB
	gradTasks   = 8
	mostGradPos = 512 // positions of a band: the operands of the next are fetched meanwhile
)

// cutGradW chooses groups, splits and bands for so many tasks at once; none may follow the
// number of workers.
func cutGradW(bytes, tasks int, p *plans.Product, c plans.Conv, parts int) gradCut {
	cut := gradCut{taps: c.KH * c.KW, gradGroups: gradGroups{rowTiles: plans.CeilDiv(c.O, kernels.Side), colTiles: plans.CeilDiv(c.C, kernels.Side)}}
	all := plans.RoundUp(p.Positions(), kernels.Step)
	cut.chunk = chunkSteps / parts * kernels.Step
	best := math.Inf(1)
	for tall := 1; tall <= cut.rowTiles; tall++ {
		for wide := 1; wide <= cut.colTiles; wide++ {
			try := cut
			try.group(tall, wide)
			if tall*wide > 1 && tall*wide*cut.taps*kernels.Side*kernels.Side*4 > bytes*9/16 {
				break
			}
			for try.splits = 1; try.splits <= max(min(tasks, all/(2*cut.chunk)), 1); try.splits *= 2 {
				if cost := try.cost(all, p.Planes, parts, tasks); cost < best {
					best, cut.tall, cut.wide, cut.splits = cost, tall, wide, try.splits
				}
			}
		}
	}
	cut.group(cut.tall, cut.wide)
	cut.length = plans.RoundUp(plans.CeilDiv(all, cut.splits), kernels.Step)
	cut.splits = plans.CeilDiv(all, cut.length)
	position := kernels.Side * (p.Planes*cut.wide + cut.tall) * (4 + parts) // bytes, as float32 and half of it as bfloat16
	most := (bytes - cut.tall*cut.wide*cut.taps*kernels.Side*kernels.Side*4) / position
	most = min(max(most-p.Slack, 2*p.Slack, 2*cut.chunk), max(mostGradPos, 4*p.Slack))
	cut.band = plans.RoundUp(plans.CeilDiv(cut.length, plans.CeilDiv(cut.length, most)), kernels.Step)
	steps := cut.band / kernels.Step
	cut.chunk = plans.CeilDiv(steps, plans.CeilDiv(steps, cut.chunk/kernels.Step)) * kernels.Step
	return cut
}

// cost estimates cycles: laying out x for every group of rows and dy for every
// group of columns, which is mostly that of reading them; the products; and writing and
// adding up the splits.
func (c *gradCut) cost(positions, planes, parts, atOnce int) float64 {
	const own, late, sums = 0.65, 0.15, 2.5 // cycles for a number
	x, y := float64(positions*kernels.Side*planes*c.colTiles*c.rowGroups), float64(positions*kernels.Side*c.rowTiles*c.colGroups)
	work := own * (x + y)
	if c.colGroups > 1 {
		work += late * x
	}
	if c.rowGroups > 1 {
		work += late * y
	}
	work += float64((2*parts - 1) * 64 * positions / kernels.Step * c.taps * c.rowTiles * c.colTiles)
	if c.splits > 1 {
		work += sums * float64(c.splits*c.taps*c.rowTiles*c.colTiles*kernels.Side*kernels.Side)
	}
	tasks := c.tasks()
	return work * float64(plans.RoundUp(tasks, atOnce)) / float64(tasks)
}
