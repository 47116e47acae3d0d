package gemm

import (
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/isa"
)

// PlanMatMul plans a product: X is A, W is B.
func PlanMatMul(s plans.MatMul, prec plans.Precision, workers int) *plans.Plan {
	return planMatMul(s, prec, workers, isa.Current())
}

// PlanConv plans a convolution.
func PlanConv(c plans.Conv, prec plans.Precision, workers int) *plans.Plan {
	return planConv(c, prec, workers, isa.Current())
}

// PlanConvGradX plans the gradient to the picture: X is dy, Y is dx.
func PlanConvGradX(c plans.Conv, prec plans.Precision, workers int) *plans.Plan {
	return planConvGradX(c, prec, workers, isa.Current())
}

// PlanConvGradW plans the gradient to the weights: X is x, W is dy, Y is dw.
func PlanConvGradW(c plans.Conv, prec plans.Precision, workers int) *plans.Plan {
	return planConvGradW(c, prec, workers, isa.Current())
}

func planMatMul(s plans.MatMul, prec plans.Precision, workers int, level isa.Level) *plans.Plan {
	return matrixProblem(s, prec, workers, level).plan()
}

func planConv(c plans.Conv, prec plans.Precision, workers int, level isa.Level) *plans.Plan {
	return (&problem{Forward, c, nil, prec, level, workers}).plan()
}

func planConvGradX(c plans.Conv, prec plans.Precision, workers int, level isa.Level) *plans.Plan {
	return (&problem{ToPicture, c, nil, prec, level, workers}).plan()
}

func planConvGradW(c plans.Conv, prec plans.Precision, workers int, level isa.Level) *plans.Plan {
	return (&problem{ToWeights, c, nil, prec, level, workers}).plan()
}
