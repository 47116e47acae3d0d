package main

import (
	"github.com/dustin/go-humanize"

	"github.com/ldm-go/ldm/fault"
)

// byteSize is a flag for a size, as 512MiB or 2GB.
type byteSize int64

// Set reads a size.
func (b *byteSize) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > 1<<62 {
		return fault.Inputf("want a size, as 512MiB or 2GB")
	}
	*b = byteSize(n)
	return nil
}

// String writes a size.
func (b *byteSize) String() string { return humanize.IBytes(uint64(*b)) }

// Type names the flag's kind in help texts.
func (b *byteSize) Type() string { return "size" }
