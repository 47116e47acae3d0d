package vec

import "github.com/ldm-go/ldm/engine/cpu/isa"

// kernelsOf is the widest implementation that a level allows.
func kernelsOf(l isa.Level) kernels {
	switch {
	case l >= isa.AVX512:
		return kernels512
	case l >= isa.AVX2:
		return kernels256
	}
	return portable
}
