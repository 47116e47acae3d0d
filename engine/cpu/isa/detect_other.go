//go:build !amd64

package isa

func detect() Level { return Portable }
