//go:build !linux

package bench

// peakResident is 0: not known on this system.
func peakResident() int64 { return 0 }
