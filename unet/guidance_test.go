package unet

import (
	"math"
	"testing"
)

// TestGuidanceEmbedding: the numbers are those of diffusers'
// LatentConsistencyModelPipeline.get_guidance_scale_embedding of w = scale - 1.
func TestGuidanceEmbedding(t *testing.T) {
	e := make([]float32, 8)
	GuidanceEmbedding(e, 8.5)
	for i, f := range []float64{1, 0.046415888, 0.0021544347, 0.0001} {
		if s, c := math.Sin(7500*f), math.Cos(7500*f); math.Abs(float64(e[i])-s) > 1e-3 || math.Abs(float64(e[4+i])-c) > 1e-3 {
			t.Errorf("frequency %d: %g, %g, want %g, %g", i, e[i], e[4+i], s, c)
		}
	}
}
