package isa

import (
	"strings"
	"testing"
)

// TestChoose: the level may be lowered within the machine's architecture, and nothing else.
func TestChoose(t *testing.T) {
	for _, s := range []struct {
		want  string
		best  Level
		level Level
		err   string
	}{
		{"", AMX, AMX, ""},
		{"avx2", AMX, AVX2, ""},
		{"portable", NEONBF16, Portable, ""},
		{"neon", NEONBF16, NEON, ""},
		{"neon_bf16", NEON, NEON, "offers only neon"},
		{"avx2", NEONBF16, NEONBF16, "offers only neon_bf16"},
		{"neon", AMX, AMX, "offers only amx"},
		{"sse", AVX2, AVX2, "want one of portable, avx2"},
	} {
		level, err := choose(s.want, s.best)
		if level != s.level || (err == nil) != (s.err == "") || err != nil && !strings.Contains(err.Error(), s.err) {
			t.Errorf("%q where the best is %s: %s, %v", s.want, s.best, level, err)
		}
	}
}

// TestHas: each level includes itself, plain Go, and those before it of its architecture.
func TestHas(t *testing.T) {
	for _, s := range []struct {
		level, other Level
		want         bool
	}{
		{Portable, Portable, true}, {Portable, NEON, false}, {AMX, AVX2, true}, {AVX2, AMX, false},
		{NEON, Portable, true}, {NEON, AVX2, false}, {NEONBF16, NEON, true}, {NEONBF16, AMX, false}, {AMX, NEON, false},
	} {
		if got := s.level.Has(s.other); got != s.want {
			t.Errorf("%s has %s: %t", s.level, s.other, got)
		}
	}
	if all := Available(); all[0] != Portable || all[len(all)-1] != detect() {
		t.Errorf("available: %v", all)
	}
}
