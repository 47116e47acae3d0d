package bench

import "golang.org/x/sys/unix"

// PeakResident is the most memory that the process has held, in bytes.
func PeakResident() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return int64(u.Maxrss) << 10
}
