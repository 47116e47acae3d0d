//go:build !unix

package checkpoint

import "os"

// Files are read where we do not know how to map them.
func mapFile(*os.File, int64) []byte { return nil }

func unmapFile([]byte) {}

func releasePages([]byte, int, int) {}
