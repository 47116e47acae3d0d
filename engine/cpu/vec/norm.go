package vec

// LayerNorm is y = x̂·gamma + beta of one row, with x̂ = (x-mean)·rstd. For the
// mean and the variance see Sum and Deviation.
func LayerNorm(y, x, gamma, beta []float32, mean, rstd float32) {
	for i := 0; i < len(y); i += longest {
		use.layerNorm(&y[i], &x[i], &gamma[i], &beta[i], min(longest, len(y)-i), mean, rstd)
	}
}

// RowNorm is the normalisation of a row, whose gradient is computed.
type RowNorm struct {
	Gamma      []float32
	Mean, RStd float32
}

// LayerNormSums is the first pass over a row in the gradient of LayerNorm: it
// adds dy to sum and dy·x̂ to dot, element by element, and returns
// m1 = Σ dy·gamma and m2 = Σ dy·gamma·x̂.
func LayerNormSums(x, dy []float32, n RowNorm, sum, dot []float32) (m1, m2 float32) {
	for i := 0; i < len(x); i += longest {
		a, b := use.layerNormSums(&x[i], &dy[i], &n.Gamma[i], &sum[i], &dot[i], min(longest, len(x)-i), n.Mean, n.RStd)
		m1, m2 = m1+a, m2+b
	}
	return m1, m2
}

// LayerNormGrad is the second pass: dx = rstd·(dy·gamma - m1 - x̂·m2), with m1 and
// m2 divided by the length of the row before.
func LayerNormGrad(dx, x, dy []float32, n RowNorm, m1, m2 float32) {
	for i := 0; i < len(dx); i += longest {
		use.layerNormGrad(&dx[i], &x[i], &dy[i], &n.Gamma[i], min(longest, len(dx)-i), n.Mean, n.RStd, m1, m2)
	}
}
