// Package testsize tells how much is tested. There are three sizes: what takes a moment
// (go test -short ./..., half a minute), the usual (go test ./..., two and a half minutes) and all
// (LDM_TEST=all go test ./..., which every change must pass).
package testsize

import (
	"os"
	"testing"
)

// All tells whether everything is tested: LDM_TEST is "all".
func All() bool { return os.Getenv("LDM_TEST") == "all" }

// Large skips a test that only all of them hold.
func Large(t testing.TB) {
	t.Helper()
	if !All() {
		t.Skip("LDM_TEST=all runs it")
	}
}

// Pick gives how many cases a test takes: few with -short, else the usual number, or all.
func Pick(few, usual, all int) int {
	switch {
	case testing.Short():
		return few
	case All():
		return all
	default:
		return usual
	}
}
