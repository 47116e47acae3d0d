package bench

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peakResident is the most memory that the process has held, in bytes.
func peakResident() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return int64(u.Maxrss) << 10
}

// release gives the whole pages of x back to the system; they read as zeros. No large
// page may take their place because of what is left beside them.
func release[T float32 | uint16](x []T) {
	if len(x) == 0 {
		return
	}
	page := os.Getpagesize()
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), len(x)*int(unsafe.Sizeof(x[0])))
	from := -int(uintptr(unsafe.Pointer(&x[0]))) & (page - 1)
	if to := from + (len(bytes)-from)/page*page; to > from {
		unix.Madvise(bytes[from:to], unix.MADV_DONTNEED)
		unix.Madvise(bytes[from:to], unix.MADV_NOHUGEPAGE)
	}
}
