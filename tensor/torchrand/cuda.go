package torchrand

import "math"

// CUDA is torch.Generator("cuda"): Philox4x32-10 (Salmon et al., Parallel Random
// Numbers: As Easy as 1, 2, 3), counted by call and element.
type CUDA struct {
	seed uint64
	call uint64
	// Threads is how many threads the device runs at once (multiprocessors times
	// threads of each): larger calls share them, so that the numbers depend on the
	// device. 0: no bound, as the emulations of other programs have it.
	Threads int
}

// NewCUDA is a generator after manual_seed(seed).
func NewCUDA(seed uint64) *CUDA { return &CUDA{seed: seed} }

// Normal fills dst as torch.randn does for float32 on a device.
func (g *CUDA) Normal(dst []float32) {
	if len(dst) == 0 {
		return
	}
	threads := g.threads(len(dst))
	for i := range dst {
		dst[i] = g.at(i, threads)
	}
	g.call += uint64((len(dst)-1)/(4*threads) + 1)
}

// threads is how many threads make a call of n elements.
func (g *CUDA) threads(n int) int {
	threads := (n + 255) / 256 * 256
	if g.Threads >= 256 {
		threads = min(threads, g.Threads/256*256)
	}
	return threads
}

// at is element i of a call: each thread makes four at a turn, a stride apart.
func (g *CUDA) at(i, threads int) float32 {
	turn, part, thread := i/(4*threads), i/threads%4, i%threads
	w := philox(g.seed, [4]uint32{uint32(g.call) + uint32(turn), 0, uint32(thread), 0})
	radius, angle := w[0], w[1]
	if part >= 2 {
		radius, angle = w[2], w[3]
	}
	return boxMuller(radius, angle, part%2 == 1)
}

// boxMuller is curand's transform: the sine first, then the cosine.
func boxMuller(radius, angle uint32, cosine bool) float32 {
	const unit, turn = float32(2.3283064e-10), float32(2.3283064e-10) * float32(6.2831855)
	u := float32(radius)*unit + unit/2
	v := float32(angle)*turn + turn/2
	r := math.Sqrt(-2 * math.Log(float64(u)))
	sin, cos := math.Sincos(float64(v))
	if cosine {
		return float32(r * cos)
	}
	return float32(r * sin)
}

// philox are ten rounds over a counter.
func philox(seed uint64, c [4]uint32) [4]uint32 {
	low, high := uint32(seed), uint32(seed>>32)
	for range 10 {
		a, b := uint64(c[0])*0xD2511F53, uint64(c[2])*0xCD9E8D57
		c = [4]uint32{uint32(b>>32) ^ c[1] ^ low, uint32(b), uint32(a>>32) ^ c[3] ^ high, uint32(a)}
		low, high = low+0x9E3779B9, high+0xBB67AE85
	}
	return c
}
