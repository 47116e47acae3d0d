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

// Level is a set of instructions; each level includes those before it.
type Level int

// The levels, in rising order.
const (
	Portable   Level = iota
	AVX2             // AVX2, FMA3
	AVX512           // F, BW, DQ, VL
	AVX512BF16       // products of pairs of bfloat16
	AMX              // AMX-TILE and AMX-BF16, permitted by the operating system
)

var names = [...]string{"portable", "avx2", "avx512", "avx512_bf16", "amx"}

func (l Level) String() string { return names[l] }

// Env is the variable that lowers the level: portable, avx2, avx512, avx512_bf16 or amx.
const Env = "LDM_ISA"

var current, switchErr = choose(os.Getenv(Env), detect())

// Current is the level all kernels of this process use.
func Current() Level { return current }

// Err reports an unknown or unavailable level asked for in LDM_ISA. The level
// is then the best one that the machine has.
func Err() error { return switchErr }

// Available lists the levels this machine can run, lowest first.
func Available() []Level {
	var all []Level
	for l := Portable; l <= detect(); l++ {
		all = append(all, l)
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
		if Level(l) > best {
			return best, fmt.Errorf("%s=%s: this machine offers only %s", Env, want, best)
		}
		return Level(l), nil
	}
	return best, fmt.Errorf("%s=%s: want one of %s", Env, want, strings.Join(names[:], ", "))
}
