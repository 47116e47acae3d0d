package main

import (
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/ldm-go/ldm/fault"
)

// seedFlag is a seed on the command line: -1 or a whole number below 2^64.
type seedFlag struct {
	value  uint64
	random bool
}

// get is the seed, drawn if it is random.
func (s *seedFlag) get() uint64 {
	if s.random {
		s.value, s.random = uint64(rand.Uint32()), false
	}
	return s.value
}

func (s *seedFlag) String() string {
	if s.random {
		return "-1"
	}
	return strconv.FormatUint(s.value, 10)
}

func (s *seedFlag) Set(text string) (err error) {
	if s.random = text == "-1"; s.random {
		return nil
	}
	if s.value, err = strconv.ParseUint(text, 10, 64); err != nil {
		return fault.Inputf("want -1 or a whole number from 0 to %d", uint64(math.MaxUint64))
	}
	return nil
}

// Type names the flag's values in help texts.
func (s *seedFlag) Type() string { return "int" }
