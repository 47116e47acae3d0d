package plans

import "github.com/ldm-go/ldm/engine/cpu/isa"

// UseTiles tells whether products are made of bfloat16 tiles, and whether those
// are split products in float32, which AMX alone makes worth while.
func UseTiles(prec Precision, level isa.Level) (use, split bool) {
	if prec == F32 && level.Has(isa.AMX) {
		return true, true
	}
	return prec == BF16 && level.BF16(), false
}

// shallowDepth and the channels bound the sums that bfloat16 leaves in float32: those
// of few terms, whose time is that of reading and writing, not of multiplying, and
// those of 3x3 convolutions of few channels. In networks as narrow as that, they make
// most of bfloat16's error. In training, where time counts more, fewer are left.
const (
	shallowDepth    = 128
	shallowChannels = 64
	trainedChannels = 32
)

// ForDepth is the precision of sums over so many taps and channels.
func (p Precision) ForDepth(taps, channels int, training bool) Precision {
	few := shallowChannels
	if training {
		few = trainedChannels
	}
	if p == BF16 && (taps*channels <= shallowDepth || channels <= few) {
		return F32
	}
	return p
}

// TakesNorm tells whether plans of sums over so many taps and channels may be Normed:
// those made of tiles.
func (p Precision) TakesNorm(taps, channels int, training bool) bool {
	use, _ := UseTiles(p.ForDepth(taps, channels, training), isa.Current())
	return use
}

// Tiled tells whether tiles make a product, so that BlockProduct and GradSum serve it.
func (s MatMul) Tiled(prec Precision) bool {
	use, _ := UseTiles(prec.ForDepth(1, s.K, false), isa.Current())
	return use
}
