package tensor

import "math/rand/v2"

// Stream is a reproducible source of random numbers. A stream is named by a
// seed and any number of keys (step, picture, purpose), so that a program that
// resumes at step N draws what it would have drawn without the stop, and a
// picture's noise does not depend on its neighbours.
type Stream struct{ *rand.Rand }

// NewStream returns the stream named by seed and keys.
func NewStream(seed uint64, keys ...uint64) Stream {
	hi, lo := mix(seed), mix(seed^0x9e3779b97f4a7c15)
	for _, k := range keys {
		hi = mix(hi ^ mix(k+0x632be59bd9b4e019))
		lo = mix(lo + hi)
	}
	return Stream{rand.New(rand.NewPCG(hi, lo))}
}

// mix is the finaliser of splitmix64.
func mix(v uint64) uint64 {
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

// Normal fills dst with draws from N(0, 1).
func (s Stream) Normal(dst []float32) {
	for i := range dst {
		dst[i] = float32(s.NormFloat64())
	}
}

// Uniform fills dst with draws from [lo, hi).
func (s Stream) Uniform(dst []float32, lo, hi float32) {
	for i := range dst {
		dst[i] = lo + (hi-lo)*float32(s.Float64())
	}
}
