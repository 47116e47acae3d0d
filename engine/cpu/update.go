package cpu

import (
	"math"

	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/graph"
)

// isFinite tells whether an update may be carried out.
func isFinite(norm2 float32) bool { return math.Float32bits(norm2)&0x7f800000 != 0x7f800000 }

func lowerAdamW(op graph.AdamW) lowered {
	return lowered{update: true, bind: func(b *binding) []par.Phase {
		p, m, v, g := b.in[0], b.in[1], b.in[2], b.in[3]
		rate, step, norm2 := b.in[4], b.in[5], b.in[6]
		steps := make([]vec.AdamWStep, (len(p)+pieceSize-1)/pieceSize) // one for each task
		return pieces("adamw", len(p), func(i, j int) {
			if !isFinite(norm2[0]) {
				return
			}
			scale := 1.0
			if norm := math.Sqrt(float64(norm2[0])); op.Clip > 0 && norm > float64(op.Clip) {
				scale = float64(op.Clip) / norm
			}
			s := &steps[i/pieceSize]
			*s = vec.NewAdamWStep(float64(rate[0]), float64(op.Beta1), float64(op.Beta2), float64(op.Eps), float64(op.Decay), scale, float64(step[0]))
			s.Apply(p[i:j], m[i:j], v[i:j], g[i:j])
		})
	}}
}

func lowerEMA() lowered {
	return lowered{update: true, bind: func(b *binding) []par.Phase {
		shadow, p, decay, norm2 := b.in[0], b.in[1], b.in[2], b.in[3]
		return pieces("ema", len(p), func(i, j int) {
			if !isFinite(norm2[0]) {
				return
			}
			vec.ScaledSum(shadow[i:j], shadow[i:j], p[i:j], decay[0], 1-decay[0])
		})
	}}
}
