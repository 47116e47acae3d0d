package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteSize is a flag for memory, as 512MiB or 2GB.
type byteSize int64

var units = []struct {
	name string
	size float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"B", 1}, {"", 1}}

// Set reads a size.
func (b *byteSize) Set(text string) error {
	for _, u := range units {
		head := text[:max(len(text)-len(u.name), 0)]
		if !strings.EqualFold(text[len(head):], u.name) {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(head), 64)
		if err != nil || !(n >= 0) || n*u.size > math.MaxInt64/2 {
			break
		}
		*b = byteSize(n * u.size)
		return nil
	}
	return fmt.Errorf("%q: want a size, as 512MiB or 2GB", text)
}

// String writes a size in the largest unit that leaves a whole number.
func (b *byteSize) String() string {
	n := int64(*b)
	for _, u := range []string{"GiB", "MiB", "KiB"} {
		for _, known := range units {
			if size := int64(known.size); known.name == u && n != 0 && n%size == 0 {
				return strconv.FormatInt(n/size, 10) + u
			}
		}
	}
	return strconv.FormatInt(n, 10)
}

// Type names the flag's kind in help texts.
func (b *byteSize) Type() string { return "size" }
