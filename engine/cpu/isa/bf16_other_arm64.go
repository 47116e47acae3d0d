//go:build !linux && !darwin

package isa

// hasBF16 is false where we do not know how to ask the system.
func hasBF16() bool { return false }
