//go:build !linux

package tensor

func inLargePages([]byte) {}
