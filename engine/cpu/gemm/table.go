package gemm

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/gemm/indirect"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
	"github.com/ldm-go/ldm/engine/cpu/gemm/winograd"
	"github.com/ldm-go/ldm/engine/cpu/gemm/winorows"
)

// algorithm is a way to compute a problem. To add one, give it a line in the table
// below: what it accepts, what it costs, and how it is planned.
type algorithm struct {
	name    string
	accepts func(p *problem) bool
	cost    func(p *problem) float64 // cycles for one picture; nil: it is taken where it is accepted
	plan    func(p *problem) *plans.Plan
}

// tables are the algorithms in order, by direction. Of those that accept a problem the
// first is taken, or, if it has a cost, the one that costs least; bench/testdata/choices.txt
// lists what that gives for the shapes that speed is compared by. The three directions
// share what they can: a gradient to the picture is a convolution of dy, with the
// filters turned.
var tables = [...][]algorithm{
	Forward:   results,
	ToPicture: results,
	ToWeights: gradients,
}

// results compute a result, or the gradient to the picture.
var results = []algorithm{
	{"tiles 32x32", bfloat16, nil, byTiles},
	{"tiles Winograd F(2,3)", alongRows, nil, func(p *problem) *plans.Plan {
		return winorows.Plan(p.convolution(), p.weights(), p.Direction == ToPicture, p.workers, p.tiles())
	}},
	{"tiles 32x32", split, nil, byTiles},
	{"matrix", (*problem).plainRows, nil, func(p *problem) *plans.Plan {
		return indirect.PlanDot(plans.RowSource{Rows: p.pixels(), Depth: p.weights().Depth}, p.weights(), p.workers, p.kernel())
	}},
	{"gathered", gathers, costOf(direct), func(p *problem) *plans.Plan { return indirect.PlanGathered(p.conv, p.workers, p.kernel()) }},
	{"indirect", always, costOf(direct), func(p *problem) *plans.Plan { return indirect.PlanDot(p.source(), p.weights(), p.workers, p.kernel()) }},
	{"Winograd F(2x2,3x3)", winograds, costOf(winograd22), byWinograd(winograd22)},
	{"Winograd F(4x4,3x3)", winograds, costOf(winograd44), byWinograd(winograd44)},
}

// gradients compute the gradient to the weights.
var gradients = []algorithm{
	{"tiles 32x32 transposed", bfloat16, nil, byTilesGrad},
	{"tiles Winograd F(2,3) gradient", alongRowsGrad, nil, func(p *problem) *plans.Plan { return winorows.PlanGrad(p.conv, p.workers, p.tiles()) }},
	{"tiles 32x32 transposed", split, nil, byTilesGrad},
	{"outer gathered", gathersGrad, costOfGrad(direct), func(p *problem) *plans.Plan { return indirect.PlanGatheredGradW(p.conv, p.workers, p.kernel()) }},
	{"outer padded", narrow, costOfGrad(direct), func(p *problem) *plans.Plan {
		return indirect.PlanPadded(p.conv, p.gradLayout(), p.workers, p.kernel())
	}},
	{"outer", always, costOfGrad(direct), func(p *problem) *plans.Plan { return indirect.PlanOuter(p.conv, p.gradLayout(), p.workers, p.kernel()) }},
	{"Winograd F(2x2,3x3) gradient", sumsFit(winograd22), costOfGrad(winograd22), byWinogradGrad(winograd22)},
	{"Winograd F(4x4,3x3) gradient", sumsFit(winograd44), costOfGrad(winograd44), byWinogradGrad(winograd44)},
}

// choose finds a problem's algorithm.
func (p *problem) choose() *algorithm {
	var best *algorithm
	least := math.Inf(1)
	for i := range tables[p.Direction] {
		a := &tables[p.Direction][i]
		if !a.accepts(p) {
			continue
		}
		if a.cost == nil {
			return a
		}
		if cost := a.cost(p); best == nil || cost < least {
			best, least = a, cost
		}
	}
	return best
}

// plan plans a problem by the algorithm that the table gives.
func (p *problem) plan() *plans.Plan {
	a := p.choose()
	plan := a.plan(p)
	plan.Algorithm = p.instructions() + " " + a.name + plan.Also
	plan.Flops = p.conv.Flops()
	return plan
}

// What the algorithms accept.

func always(*problem) bool { return true }

// bfloat16 is where numbers are rounded to bfloat16: where the processor multiplies
// those, and sums are long enough for the rounding to pay (Precision.ForDepth).
func bfloat16(p *problem) bool {
	use, split := p.useTiles()
	return use && !split
}

// split is where float32 is made of three products of bfloat16: on AMX, whose tiles
// multiply sixteen times as fast as vectors of float32.
func split(p *problem) bool {
	use, split := p.useTiles()
	return use && split
}

// alongRows is Winograd's algorithm along rows, for split products alone: in bfloat16
// the tiles are bound by reading, which it does not lessen.
func alongRows(p *problem) bool {
	return split(p) && p.conv.Stride == 1 && winorows.Pays(p.convolution())
}

func alongRowsGrad(p *problem) bool { return split(p) && winorows.PaysGrad(p.conv) }

// gathers is where pictures have so few channels that a tap would not fill a kernel's
// loop: the 3 or 4 of pixels and latents.
func gathers(p *problem) bool { return p.Direction == Forward && gathersGrad(p) }

func gathersGrad(p *problem) bool { return p.conv.C < indirect.SmallDepth && p.conv.KH*p.conv.KW > 1 }

// narrow is where a row of the picture is shorter than the columns of a kernel's tile.
func narrow(p *problem) bool { return p.conv.C < p.kernel().Rows }

func winograds(p *problem) bool {
	return p.conv.Stride == 1 && winogradFits(p.convolution(), p.prec, p.kernel())
}

// sumsFit is where the sums of a gradient by Winograd's algorithm have room: it keeps
// one for every element ξ of every filter.
func sumsFit(by method) func(*problem) bool {
	return func(p *problem) bool {
		return winogradFits(p.conv, p.prec, p.kernel()) && by.size(p.kernel()).All()*p.conv.C*p.conv.O*4 <= winoSumsBytes
	}
}

// What they cost: see cost.go.

func costOf(by method) func(*problem) float64 {
	return func(p *problem) float64 {
		m := newCostModel(p.convolution(), p.kernel())
		return m.forward(by)
	}
}

func costOfGrad(by method) func(*problem) float64 {
	return func(p *problem) float64 {
		m := newCostModel(p.conv, p.kernel())
		return m.gradW(by)
	}
}

// How those are planned that serve several lines.

func byTiles(p *problem) *plans.Plan {
	_, split := p.useTiles()
	return tiled.Plan(p.product(), p.weights(), p.workers, p.tiles(), split)
}

func byTilesGrad(p *problem) *plans.Plan {
	_, split := p.useTiles()
	return tiled.PlanGrad(p.conv, p.gradLayout(), p.workers, p.tiles(), split)
}

func byWinograd(by method) func(*problem) *plans.Plan {
	return func(p *problem) *plans.Plan {
		return winograd.Plan(p.convolution(), p.weights(), p.Direction == ToPicture, p.workers, p.kernel(), by.size(p.kernel()))
	}
}

func byWinogradGrad(by method) func(*problem) *plans.Plan {
	return func(p *problem) *plans.Plan {
		return winograd.PlanGrad(p.conv, p.workers, p.kernel(), by.size(p.kernel()))
	}
}
