//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package output

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock marks an open file as in use; the kernel takes the mark away when the
// process ends, however it ends.
func lock(f *os.File) { unix.Flock(int(f.Fd()), unix.LOCK_EX) }

// free says whether no process has the file locked, and locks it.
func free(f *os.File) bool { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil }

func writable(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }
