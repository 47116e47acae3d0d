package vec

import "github.com/ldm-go/ldm/engine/cpu/isa"

// kernelsOf is the implementation of a level.
func kernelsOf(l isa.Level) kernels {
	switch {
	case l.Has(isa.NEONBF16):
		k := kernelsNEON
		k.round = roundBF16
		return k
	case l.Has(isa.NEON):
		return kernelsNEON
	}
	return portable
}
