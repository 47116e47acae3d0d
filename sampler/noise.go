package sampler

import "github.com/ldm-go/ldm/tensor"

// Noise fills dst [N, H, W, C] with fresh draws from N(0, 1) for the stretch of a
// path between two noise levels (0 and 0 where there is none, as for the latent
// that sampling begins with).
type Noise func(dst *tensor.Tensor, from, to float64)

// Streams is the noise of pictures that have a seed each. Call k (from 0) depends
// on the seeds, on k and on the key alone, and picture i on seeds[i] alone: a
// picture of a batch equals the one made alone with its seed.
func Streams(seeds []uint64, keys ...uint64) Noise {
	var call uint64
	return func(dst *tensor.Tensor, _, _ float64) {
		for i, seed := range seeds {
			tensor.NewStream(seed, append(keys[:len(keys):len(keys)], call)...).Normal(dst.Row(i).F32)
		}
		call++
	}
}
