package sampler

import (
	"math"
	"slices"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/tensor/brownian"
	"github.com/ldm-go/ldm/tensor/torchrand"
)

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

// Source is a kind of random numbers.
type Source uint8

// The sources. Those of PyTorch make the noise that other programs make from the
// same seed, within float32's rounding, each picture having a generator of its own
// as in AUTOMATIC1111's program and ComfyUI's batches of one.
const (
	OwnNoise  Source = iota // of this program: independent of batches, of steps and of the processor
	TorchCPU                // PyTorch's on processors; ComfyUI, diffusers and AUTOMATIC1111's with that setting
	TorchCUDA               // PyTorch's on Nvidia's devices; the reference and AUTOMATIC1111's program
)

var sourceNames = []string{"ldm", "torch-cpu", "torch-cuda"}

// String is the source's name.
func (s Source) String() string { return sourceNames[s] }

// ParseSource finds a source by its name; "" is this program's own.
func ParseSource(name string) (Source, error) {
	i := slices.Index(sourceNames, name)
	switch {
	case name == "":
		return OwnNoise, nil
	case i < 0:
		return 0, fault.Inputf("random numbers %.60q: want ldm, torch-cpu or torch-cuda", name)
	}
	return Source(i), nil
}

// Noise is the source's noise for pictures with a seed each, on a path of a method.
// The first draw should be the latent that sampling begins with. Methods for
// stochastic equations get increments of a Brownian path, which depend on the
// noise levels and not on the steps before; its path of PyTorch's kind lies between
// the ends of p, as in k-diffusion.
func (m Method) Noise(s Source, seeds []uint64, p Path) Noise {
	var plain Noise
	switch s {
	case TorchCPU:
		plain = perPicture(seeds, func(seed uint64) func([]float32) { return torchrand.NewCPU(seed).Normal })
	case TorchCUDA:
		plain = perPicture(seeds, func(seed uint64) func([]float32) { return torchrand.NewCUDA(seed).Normal })
	default:
		plain = Streams(seeds)
	}
	if !m.Or().brownian {
		return plain
	}
	least, most := p.Sigmas[len(p.Sigmas)-1], p.Sigmas[0]
	if least == 0 {
		least = p.Sigmas[len(p.Sigmas)-2]
	}
	paths := increments(seeds, ownTime, ownPath)
	if s != OwnNoise {
		same := func(sigma float64) float64 { return sigma }
		paths = nchw(increments(seeds, same, func(seed uint64, n int) *brownian.Path { return torchrand.NewTree(seed, least, most, n) }))
	}
	return func(dst *tensor.Tensor, from, to float64) {
		if from == to {
			plain(dst, from, to)
			return
		}
		paths(dst, from, to)
	}
}

// perPicture draws each picture's noise from a generator of its own, in PyTorch's
// order of axes.
func perPicture(seeds []uint64, generator func(seed uint64) func([]float32)) Noise {
	draw := make([]func([]float32), len(seeds))
	for i, seed := range seeds {
		draw[i] = generator(seed)
	}
	return nchw(func(dst *tensor.Tensor, _, _ float64) {
		for i := range draw {
			draw[i](dst.Row(i).F32)
		}
	})
}

// nchw is noise whose values are in the order [N, C, H, W].
func nchw(noise Noise) Noise {
	return func(dst *tensor.Tensor, from, to float64) {
		s := dst.Shape
		turned := tensor.Of(dst.F32, s[0], s[3], s[1], s[2])
		noise(turned, from, to)
		copy(dst.F32, turned.ToNHWC().F32)
	}
}

// increments are those of a Brownian path in σ for each picture, over a stretch of
// noise levels and of variance 1: (W(σ') - W(σ))/√|σ' - σ|, with the sign that
// k-diffusion gives it. Noise levels are times of the path by time.
func increments(seeds []uint64, time func(sigma float64) float64, path func(seed uint64, n int) *brownian.Path) Noise {
	motions := make([]motion, len(seeds))
	return func(dst *tensor.Tensor, from, to float64) {
		from, to = time(from), time(to)
		f := float32(1 / math.Sqrt(math.Abs(to-from)))
		for i, seed := range seeds {
			row := dst.Row(i).F32
			m := &motions[i]
			if m.path == nil {
				m.path = path(seed, len(row))
			}
			start := m.at(from)
			for j, v := range m.at(to) {
				row[j] = (v - start[j]) * f
			}
		}
	}
}

// motion is a Brownian path with its values where it was last looked at: a step
// begins where the one before ended.
type motion struct {
	path   *brownian.Path
	times  [2]float64
	values [2][]float32
	last   int
}

func (m *motion) at(time float64) []float32 {
	for i, v := range m.values {
		if v != nil && m.times[i] == time {
			m.last = i
			return v
		}
	}
	m.last = 1 - m.last
	m.times[m.last], m.values[m.last] = time, append(m.values[m.last][:0], m.path.At(time)...)
	return m.values[m.last]
}

// ownReach is as far as this program's own Brownian paths go.
const ownReach = 1 << 13

// ownPath is a Brownian path of this program's own, the same for all paths of
// noise levels.
func ownPath(seed uint64, n int) *brownian.Path {
	return brownian.New(0, ownReach, n, ownTime, func(dst []float32, key uint64, depth int) {
		const purpose = 1 << 32 // apart from the numbers of calls
		tensor.NewStream(seed, purpose, uint64(depth+1), key).Normal(dst)
	})
}

// ownTime is a noise level to 14 binary digits: the fewer, the less is halved.
func ownTime(sigma float64) float64 {
	fraction, exponent := math.Frexp(min(sigma, ownReach))
	return math.Ldexp(math.RoundToEven(fraction*(1<<14)), exponent-14)
}
