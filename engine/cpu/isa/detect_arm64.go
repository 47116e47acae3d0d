package isa

// detect never gives less than NEON: the architecture includes Advanced SIMD.
func detect() Level {
	if hasBF16() {
		return NEONBF16
	}
	return NEON
}
