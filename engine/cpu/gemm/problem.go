package gemm

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/gemm/tiled"
	"github.com/ldm-go/ldm/engine/cpu/isa"
)

// Direction is what of a convolution is computed.
type Direction int

const (
	Forward   Direction = iota // its result
	ToPicture                  // the gradient to the picture
	ToWeights                  // the gradient to the weights
)

// problem is what is to be planned: a convolution in one direction, or a matrix
// product, which is a 1x1 convolution of its rows.
type problem struct {
	Direction
	conv    plans.Conv    // as its forward direction has it
	matrix  *plans.MatMul // what conv stands for, if it is a matrix product
	prec    plans.Precision
	level   isa.Level
	workers int
}

// ConvAlgorithm names what the table gives for a convolution in a direction, on a level that
// need not be this machine's.
func ConvAlgorithm(d Direction, c plans.Conv, prec plans.Precision, level isa.Level) string {
	p := &problem{Direction: d, conv: c, prec: prec, level: level}
	return p.instructions() + " " + p.choose().name
}

// MatMulAlgorithm names what the table gives for a product.
func MatMulAlgorithm(s plans.MatMul, prec plans.Precision, level isa.Level) string {
	p := matrixProblem(s, prec, 0, level)
	return p.instructions() + " " + p.choose().name
}

// matrixProblem is a matrix product. Where the rows are summed over, it is the gradient to
// the weights of a convolution.
func matrixProblem(s plans.MatMul, prec plans.Precision, workers int, level isa.Level) *problem {
	p := &problem{matrix: &s, prec: prec, level: level, workers: workers}
	if p.conv = (plans.Conv{N: 1, H: s.M, W: 1, C: s.K, O: s.N, KH: 1, KW: 1, Stride: 1, Normed: s.Normed}); s.TransA {
		p.Direction = ToWeights
		p.conv = plans.Conv{N: 1, H: 1, W: s.K, C: s.M, O: s.N, KH: 1, KW: 1, Stride: 1}
	}
	return p
}

// convolution is the one that gives the result: of dy for the gradient to the picture.
func (p *problem) convolution() plans.Conv {
	if p.Direction == ToPicture {
		return p.conv.Full()
	}
	return p.conv
}

// pixels of the picture, or rows of the matrix.
func (p *problem) pixels() int { return p.conv.N * p.conv.H * p.conv.W }

// plainRows is where the left operand is a matrix as it lies in memory.
func (p *problem) plainRows() bool { return p.matrix != nil || p.conv.Pointwise() }

// weights are the right operand.
func (p *problem) weights() plans.Order {
	switch s := p.matrix; {
	case s != nil && s.TransB:
		return plans.Order{Cols: s.N, Depth: s.K, Taps: 1, StrideCol: s.K, StrideDepth: 1, Gated: s.GEGLU}
	case s != nil:
		return plans.Order{Cols: s.N, Depth: s.K, Taps: 1, StrideCol: 1, StrideDepth: s.N, Gated: s.GEGLU}
	case p.Direction == ToPicture:
		return p.conv.WeightsBackward()
	}
	return p.conv.Weights()
}

// source finds the rows of the left operand, product the positions of a block.
func (p *problem) source() plans.Source {
	if p.Direction == ToPicture {
		return plans.BackwardSource(p.conv)
	}
	return plans.ForwardSource(p.conv)
}

func (p *problem) product() plans.Product {
	if p.Direction == ToPicture {
		return plans.Backward(p.conv)
	}
	pr := plans.Forward(p.conv)
	if p.matrix != nil {
		pr.HalfX, pr.HalfY = p.matrix.HalfX, p.matrix.HalfY
	}
	return pr
}

// gradLayout is where the gradient to the weights goes: [O][C][tap], or [C][O] of a
// matrix product.
func (p *problem) gradLayout() plans.Layout {
	if p.matrix != nil {
		return plans.Layout{Row: p.matrix.N, Col: 1}
	}
	taps := p.conv.KH * p.conv.KW
	return plans.Layout{Row: taps, Col: p.conv.C * taps, Tap: 1}
}

// useTiles is plans.UseTiles for the length of the problem's sums. Gradients to the weights of
// convolutions sum over pixels, and are never short.
func (p *problem) useTiles() (use, split bool) {
	taps, prec := p.conv.KH*p.conv.KW, p.prec
	switch {
	case p.matrix != nil:
		prec = prec.ForDepth(1, p.matrix.K, false)
	case p.Direction == Forward:
		prec = prec.ForDepth(taps, p.conv.C, p.conv.Training)
	case p.Direction == ToPicture:
		prec = prec.ForDepth(taps, p.conv.O, p.conv.Training)
	}
	return plans.UseTiles(prec, p.level)
}

// instructions names those that multiply.
func (p *problem) instructions() string {
	if use, split := p.useTiles(); use {
		return p.tiles().Name + tiled.KindOf(split)
	}
	return p.kernel().Name
}

func (p *problem) kernel() kernels.Kernel { return kernels.For(p.level) }
func (p *problem) tiles() kernels.Tiles   { return kernels.TilesFor(p.level) }
