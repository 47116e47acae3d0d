package diffusion

import "math"

// GuidanceEmbedding writes how a latent consistency model is told its guidance
// scale (Luo et al., arXiv 2310.04378, section 4.2): sines, then cosines, of
// 1000·(scale - 1) at falling frequencies.
func GuidanceEmbedding(dst []float32, scale float64) {
	half := len(dst) / 2
	for i := range half {
		f := math.Exp(-float64(i) * math.Log(10000) / float64(max(half-1, 1)))
		sin, cos := math.Sincos(1000 * (scale - 1) * f)
		dst[i], dst[half+i] = float32(sin), float32(cos)
	}
}
