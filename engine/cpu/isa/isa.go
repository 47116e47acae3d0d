// Package isa says which instruction set the kernels may use on this machine.
//
// The level is found once, at start, and may be lowered (never raised) with the
// environment variable LDM_ISA, so that every path can be tested on one machine.
package isa

import (
	"fmt"
	"os"
	"strings"
)

// Level is a set of instructions. Each level includes those before it of the same
// architecture: compare levels with Has.
type Level int

// The levels, in rising order for each architecture.
const (
	Portable Level = iota // plain Go

	AVX2       // amd64: AVX2, FMA3
	AVX512     // F, BW, DQ, VL
	AVX512BF16 // products of pairs of bfloat16
	AMX        // AMX-TILE and AMX-BF16, permitted by the operating system

	NEON     // arm64: Advanced SIMD, which every such processor has
	NEONBF16 // products of 2x4 by 4x2 bfloat16 (BFMMLA), and rounding to those (BFCVTN)

	levels int = iota
)

var names = [levels]string{"portable", "avx2", "avx512", "avx512_bf16", "amx", "neon", "neon_bf16"}

func (l Level) String() string { return names[l] }

// Has tells whether l includes the instructions of other.
func (l Level) Has(other Level) bool {
	return other == Portable || l >= other && l.arm() == other.arm()
}

func (l Level) arm() bool { return l >= NEON }

// BF16 tells whether l multiplies bfloat16 faster than float32.
func (l Level) BF16() bool { return l.Has(AVX512BF16) || l.Has(NEONBF16) }

// Env is the variable that lowers the level, to one of the names of levels.
const Env = "LDM_ISA"

var current, switchErr = choose(os.Getenv(Env), detect())

// Current is the level all kernels of this process use.
func Current() Level { return current }

// Err reports an unknown or unavailable level asked for in LDM_ISA. The level
// is then the best one that the machine has.
func Err() error { return switchErr }

// All lists every level, whether or not this machine has it.
func All() []Level {
	var all []Level
	for l := range levels {
		all = append(all, Level(l))
	}
	return all
}

// Available lists the levels this machine can run, lowest first.
func Available() []Level {
	var all []Level
	best := detect()
	for _, l := range All() {
		if best.Has(l) {
			all = append(all, l)
		}
	}
	return all
}

func choose(want string, best Level) (Level, error) {
	if want == "" {
		return best, nil
	}
	for l, name := range names {
		if want != name {
			continue
		}
		if !best.Has(Level(l)) {
			return best, fmt.Errorf("%s=%s: this machine offers only %s", Env, want, best)
		}
		return Level(l), nil
	}
	return best, fmt.Errorf("%s=%s: want one of %s", Env, want, strings.Join(names[:], ", "))
}
