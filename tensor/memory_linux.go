package tensor

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// largePage is the size that processors of 4 KB pages have; where it is another, some of
// an array's memory stays in small pages.
const largePage = 2 << 20

// inLargePages asks for those large pages that lie within b, so that it takes no more
// memory than otherwise. That they are refused does no harm.
func inLargePages(b []byte) {
	from := -int(uintptr(unsafe.Pointer(&b[0]))) & (largePage - 1)
	if to := from + (len(b)-from)/largePage*largePage; to > from {
		unix.Madvise(b[from:to], unix.MADV_HUGEPAGE)
	}
}

// release lets no large page take the place of those that go, because of what is left
// beside them.
func release(b []byte) {
	page := os.Getpagesize()
	from := -int(uintptr(unsafe.Pointer(&b[0]))) & (page - 1)
	if to := from + (len(b)-from)/page*page; to > from {
		unix.Madvise(b[from:to], unix.MADV_DONTNEED)
		unix.Madvise(b[from:to], unix.MADV_NOHUGEPAGE)
	}
}
