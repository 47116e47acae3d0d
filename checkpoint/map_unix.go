//go:build unix

package checkpoint

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapFile maps a file, copy on write; nil where that is not possible.
func mapFile(f *os.File, size int64) []byte {
	if size <= 0 || int64(int(size)) != size {
		return nil
	}
	m, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	return m
}

func unmapFile(m []byte) {
	if m != nil {
		unix.Munmap(m)
	}
}

// releasePages drops the whole pages among n bytes of a mapping.
func releasePages(m []byte, at, n int) {
	page := os.Getpagesize()
	from, to := (at+page-1)/page*page, (at+n)/page*page
	if from < to {
		unix.Madvise(m[from:to], unix.MADV_DONTNEED)
	}
}
