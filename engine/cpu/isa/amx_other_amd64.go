//go:build !linux

package isa

// permitAMX is false where we do not know how to ask the system for tiles.
func permitAMX() bool { return false }
