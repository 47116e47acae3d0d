package vec

import "github.com/ldm-go/ldm/engine/cpu/isa"

// kernelsOf is the widest implementation that a level allows.
func kernelsOf(l isa.Level) kernels {
	switch {
	case l.Has(isa.AVX512BF16):
		k := kernels512
		k.softmax[1], k.softmax[2] = softmaxHalves512, softmaxSplit512
		k.softmaxGrads[1], k.softmaxGrads[2] = softmaxGradsHalves512, softmaxGradsSplit512
		return k
	case l.Has(isa.AVX512):
		return kernels512
	case l.Has(isa.AVX2):
		return kernels256
	}
	return portable
}
