package vec

import "math"

// AdamW are the constants of an optimiser; see graph.AdamW.
type AdamW struct{ Rate, Beta1, Beta2, Eps, Decay float64 }

// AdamWStep holds the constants of one update.
type AdamWStep struct {
	k [9]float32
}

// Step prepares update number step (from 1); gradients are multiplied by scale.
func (a AdamW) Step(step, scale float64) AdamWStep {
	c1, c2 := 1-math.Pow(a.Beta1, step), 1-math.Pow(a.Beta2, step)
	return AdamWStep{[9]float32{
		float32(scale), float32(a.Beta1), float32(1 - a.Beta1), float32(a.Beta2), float32(1 - a.Beta2),
		float32(1 - a.Rate*a.Decay), float32(a.Rate / c1), float32(1 / math.Sqrt(c2)), float32(a.Eps),
	}}
}

// Apply updates p, m and v by the gradient g.
func (s *AdamWStep) Apply(p, m, v, g []float32) {
	for i := 0; i < len(p); i += longest {
		use.adamw(&p[i], &m[i], &v[i], &g[i], min(longest, len(p)-i), &s.k[0])
	}
}
