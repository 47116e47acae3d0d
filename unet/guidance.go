package unet

import "math"

// GuidanceEmbedding writes to e what a student of classifier-free guidance is told
// of the scale (Luo et al., arXiv 2310.04378, section 4.2): sines, then cosines, of
// 1000·(scale - 1)·f_i with f_i = 10000^(-i/(h-1)), where h is half the length of e.
func GuidanceEmbedding(e []float32, scale float64) {
	h := len(e) / 2
	for i := range h {
		angle := 1000 * (scale - 1) * math.Exp(-math.Log(10000)*float64(i)/float64(max(h-1, 1)))
		e[i], e[h+i] = float32(math.Sin(angle)), float32(math.Cos(angle))
	}
}
