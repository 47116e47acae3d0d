package tensor

import "math"

// Float16 rounds v to IEEE half precision, to nearest even; too large becomes infinity.
func Float16(v float32) uint16 {
	b := math.Float32bits(v)
	sign := uint16(b >> 16 & 0x8000)
	exp := int(b>>23&0xff) - 127 + 15
	man := b & 0x7fffff
	switch {
	case b>>23&0xff == 0xff:
		if man != 0 {
			return sign | 0x7e00
		}
		return sign | 0x7c00
	case exp >= 31:
		return sign | 0x7c00
	case exp <= 0:
		if exp < -10 {
			return sign
		}
		return sign | uint16(roundShift(man|0x800000, uint(14-exp)))
	}
	return sign + uint16(roundShift(uint32(exp)<<23|man, 13))
}

// roundShift is v >> n rounded to nearest even.
func roundShift(v uint32, n uint) uint32 {
	return (v + (1<<(n-1) - 1) + v>>n&1) >> n
}

// FromFloat16 widens half precision exactly.
func FromFloat16(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h >> 10 & 0x1f)
	man := uint32(h & 0x3ff)
	switch exp {
	case 0:
		v := float32(man) / (1 << 24)
		return math.Float32frombits(math.Float32bits(v) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | man<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
}

// BFloat16 rounds v to bfloat16, to nearest even.
func BFloat16(v float32) uint16 {
	b := math.Float32bits(v)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16(roundShift64(uint64(b), 16))
}

func roundShift64(v uint64, n uint) uint64 { return (v + (1<<(n-1) - 1) + v>>n&1) >> n }

// FromBFloat16 widens bfloat16 exactly.
func FromBFloat16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
