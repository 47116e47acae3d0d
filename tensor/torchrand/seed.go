package torchrand

// seedSequence gives the first words of numpy's SeedSequence with a pool of 24 words
// (O'Neill's seed_seq_fe).
func seedSequence(entropy uint64, spawn ...uint64) [4]uint32 {
	const pool = 24
	words := splitWords(nil, entropy)
	if len(spawn) > 0 {
		for len(words) < pool {
			words = append(words, 0)
		}
		for _, k := range spawn {
			words = splitWords(words, k)
		}
	}
	h := uint32(0x43b0d7e5)
	hash := func(v uint32) uint32 {
		v ^= h
		h *= 0x931e8875
		v *= h
		return v ^ v>>16
	}
	mix := func(x, y uint32) uint32 {
		r := 0xca01f9dd*x - 0x4973f715*y
		return r ^ r>>16
	}
	var p [pool]uint32
	for i := range p {
		if i < len(words) {
			p[i] = hash(words[i])
		} else {
			p[i] = hash(0)
		}
	}
	for s := range p {
		for d := range p {
			if d != s {
				p[d] = mix(p[d], hash(p[s]))
			}
		}
	}
	for _, w := range words[min(pool, len(words)):] {
		for d := range p {
			p[d] = mix(p[d], hash(w))
		}
	}
	var out [4]uint32
	g := uint32(0x8b51f9dd)
	for i := range out {
		v := p[i] ^ g
		g *= 0x58f38ded
		v *= g
		out[i] = v ^ v>>16
	}
	return out
}

// splitWords appends a number's words of 32 bits, the low one first, at least one.
func splitWords(words []uint32, v uint64) []uint32 {
	words = append(words, uint32(v))
	if v>>32 != 0 {
		words = append(words, uint32(v>>32))
	}
	return words
}
