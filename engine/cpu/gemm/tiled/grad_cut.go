package tiled

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
)

// gradCut is how a gradient to the weights is cut into tasks.
type gradCut struct {
	GradBlocks
	Taps   int
	Length int // positions of a split
	KBlock int // positions of it that are laid out together
	InnerK int // positions of a K block of which all taps are summed before going on
}

const (
	GradBytes   = 1792 << 10 // of a second-level cache of 2 MB
	GradTasks   = 8
	mostGradPos = 512 // positions of a K block: the operands of the next are fetched meanwhile
)

// CutGradW chooses blocks, splits and K blocks for so many tasks at once; none may follow the
// number of workers.
func CutGradW(bytes, tasks int, p *plans.Product, c plans.Conv, parts int) gradCut {
	cut := gradCut{Taps: c.KH * c.KW, GradBlocks: GradBlocks{RowTiles: plans.CeilDiv(c.O, kernels.Side), ColTiles: plans.CeilDiv(c.C, kernels.Side)}}
	all := plans.RoundUp(p.Positions(), kernels.Step)
	cut.InnerK = KBlockSteps / parts * kernels.Step
	best := math.Inf(1)
	for tall := 1; tall <= cut.RowTiles; tall++ {
		for wide := 1; wide <= cut.ColTiles; wide++ {
			try := cut
			try.Block(tall, wide)
			if tall*wide > 1 && tall*wide*cut.Taps*kernels.Side*kernels.Side*4 > bytes*9/16 {
				break
			}
			for try.Splits = 1; try.Splits <= max(min(tasks, all/(2*cut.InnerK)), 1); try.Splits *= 2 {
				if cost := try.cost(all, p.Residues, parts, tasks); cost < best {
					best, cut.Tall, cut.Wide, cut.Splits = cost, tall, wide, try.Splits
				}
			}
		}
	}
	cut.Block(cut.Tall, cut.Wide)
	cut.Length = plans.RoundUp(plans.CeilDiv(all, cut.Splits), kernels.Step)
	cut.Splits = plans.CeilDiv(all, cut.Length)
	position := kernels.Side * (p.Residues*cut.Wide + cut.Tall) * (4 + parts) // bytes, as float32 and half of it as bfloat16
	most := (bytes - cut.Tall*cut.Wide*cut.Taps*kernels.Side*kernels.Side*4) / position
	most = min(max(most-p.Slack, 2*p.Slack, 2*cut.InnerK), max(mostGradPos, 4*p.Slack))
	cut.KBlock = plans.RoundUp(plans.CeilDiv(cut.Length, plans.CeilDiv(cut.Length, most)), kernels.Step)
	steps := cut.KBlock / kernels.Step
	cut.InnerK = plans.CeilDiv(steps, plans.CeilDiv(steps, cut.InnerK/kernels.Step)) * kernels.Step
	return cut
}

// cost estimates cycles: laying out x for every block of rows and dy for every
// block of columns, which is mostly that of reading them; the products; and writing and
// adding up the splits.
func (c *gradCut) cost(positions, residues, parts, atOnce int) float64 {
	const own, late, sums = 0.65, 0.15, 2.5 // cycles for a number
	x, y := float64(positions*kernels.Side*residues*c.ColTiles*c.RowBlocks), float64(positions*kernels.Side*c.RowTiles*c.ColBlocks)
	work := own * (x + y)
	if c.ColBlocks > 1 {
		work += late * x
	}
	if c.RowBlocks > 1 {
		work += late * y
	}
	work += float64((2*parts - 1) * 64 * positions / kernels.Step * c.Taps * c.RowTiles * c.ColTiles)
	if c.Splits > 1 {
		work += sums * float64(c.Splits*c.Taps*c.RowTiles*c.ColTiles*kernels.Side*kernels.Side)
	}
	tasks := c.Tasks()
	return work * float64(plans.RoundUp(tasks, atOnce)) / float64(tasks)
}
