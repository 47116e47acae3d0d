package checkpoint_test

import (
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/internal/golden"
)

// TestBadFiles: broken safetensors files are refused by an error that names them.
func TestBadFiles(t *testing.T) {
	for _, path := range golden.Files(t, "bad/*.safetensors") {
		if f, err := checkpoint.Open(path); err == nil {
			f.Close()
			t.Errorf("%s is accepted", path)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("error %v does not name the file", err)
		}
	}
}
