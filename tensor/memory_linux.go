package tensor

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inLargePages asks for large pages; that they are refused does no harm.
func inLargePages(b []byte) {
	page := os.Getpagesize()
	from := -int(uintptr(unsafe.Pointer(&b[0]))) & (page - 1)
	if to := from + (len(b)-from)/page*page; to > from {
		unix.Madvise(b[from:to], unix.MADV_HUGEPAGE)
	}
}
