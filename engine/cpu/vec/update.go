package vec

import "math"

// AdamWStep holds the constants of one update; see graph.AdamW.
type AdamWStep struct {
	k [9]float32
}

// NewAdamWStep prepares update number step (from 1); gradients are multiplied by scale.
func NewAdamWStep(rate, beta1, beta2, eps, decay, scale float64, step float64) AdamWStep {
	c1, c2 := 1-math.Pow(beta1, step), 1-math.Pow(beta2, step)
	return AdamWStep{[9]float32{
		float32(scale), float32(beta1), float32(1 - beta1), float32(beta2), float32(1 - beta2),
		float32(1 - rate*decay), float32(rate / c1), float32(1 / math.Sqrt(c2)), float32(eps),
	}}
}

// Apply updates p, m and v by the gradient g.
func (s *AdamWStep) Apply(p, m, v, g []float32) {
	for i := 0; i < len(p); i += longest {
		use.adamw(&p[i], &m[i], &v[i], &g[i], min(longest, len(p)-i), &s.k[0])
	}
}
