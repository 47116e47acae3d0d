package ldm

import (
	"errors"
	"io"
	"os"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/modelfile"
)

// TestViews: what lies in the mapped file is what is read from it, also after
// its pages were given back.
func TestViews(t *testing.T) {
	s, err := modelfile.Open(save(t, tinyWeights(t, tinyNetwork(t)), checkpoint.F32), modelfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range s.Names() {
		read, err := s.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		view, err := s.View(name)
		if err != nil {
			t.Fatal(err)
		}
		same(t, name, view.F32, read.F32)
		s.Release(view)
		s.Release(read) // no part of the file
		same(t, name+" after Release", view.F32, read.F32)
	}
	if _, err := s.View("nothing"); err == nil {
		t.Error("a tensor that is not there is given")
	}
	closeTwice(t, s)
}

// closeTwice: the second time does nothing, and may say so.
func closeTwice(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Errorf("the second Close: %v", err)
	}
}

// TestClose: a model's second Close is harmless, with weights from a file or
// from memory.
func TestClose(t *testing.T) {
	m, err := Open(save(t, tinyWeights(t, tinyNetwork(t)), checkpoint.F32), Options{Engine: cpu.New(cpu.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*Model{m, tinyModel(t)} {
		predict(t, m)
		closeTwice(t, m)
	}
}
