//go:build !linux

package serve_test

import "testing"

func smallDisk(t *testing.T) string {
	t.Skip("small file systems are mounted on Linux alone")
	return ""
}
