//go:build !linux

package bench

// PeakResident is 0: not known on this system.
func PeakResident() int64 { return 0 }
