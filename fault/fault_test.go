package fault_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/ldm-go/ldm/fault"
)

func TestKinds(t *testing.T) {
	err := fmt.Errorf("model: %w", fault.Filef("a.ckpt: %w", fs.ErrNotExist))
	if err.Error() != "model: a.ckpt: file does not exist" {
		t.Errorf("text %q", err)
	}
	if !errors.Is(err, fault.File) || !errors.Is(err, fs.ErrNotExist) || errors.Is(err, fault.Input) || fault.Kind(err) != fault.File {
		t.Errorf("kind %v", fault.Kind(err))
	}
	if again := fault.As(fault.Input, err); again != err {
		t.Error("a second kind was added")
	}
	if plain := fault.As(fault.Memory, errors.New("full")); !errors.Is(plain, fault.Memory) || plain.Error() != "full" {
		t.Errorf("%v", plain)
	}
	if fault.As(fault.Input, nil) != nil || fault.Kind(errors.New("x")) != nil {
		t.Error("an error where there is none")
	}
}
