//go:build unix

package checkpoint

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// pipes makes a named pipe where the system has them.
func pipes(t *testing.T, dir string) []string {
	path := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{path}
}
