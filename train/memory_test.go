package train

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/machine"
)

// TestMaxMemory: a run that is bound in memory computes activations again, and
// has the bits of one that is not.
func TestMaxMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("trains many times")
	}
	folder, runs := t.TempDir(), t.TempDir()
	pictures(t, folder)
	train := func(run string, bound int64) (again bool) {
		cfg := autoencoderConfig(t, "data.train="+folder, "train.steps=2")
		cfg.Train.MaxMemory = machine.MaxMemory(bound)
		err := Autoencoder(t.Context(), cfg, Run{Dir: run, Engine: cpu.New(cpu.Options{Threads: 1}), Line: func(l string) { again = again || strings.Contains(l, "computed again") }})
		if err != nil {
			t.Fatal(err)
		}
		return again
	}
	free, bound, again := filepath.Join(runs, "free"), "", false
	train(free, 0)
	for bytes := int64(4 << 20); !again && bytes > 1<<20; bytes -= bytes / 32 { // to just below what a step wants
		bound = filepath.Join(runs, strconv.FormatInt(bytes, 10))
		again = train(bound, bytes)
	}
	if !again {
		t.Error("nothing was computed again")
	}
	sameTensors(t, filepath.Join(free, CheckpointFile), filepath.Join(bound, CheckpointFile))
	cfg := autoencoderConfig(t, "data.train="+folder, "train.steps=2")
	cfg.Train.MaxMemory = 1 << 10
	if err := Autoencoder(t.Context(), cfg, Run{Dir: t.TempDir(), Engine: cpu.New(cpu.Options{})}); err == nil || !strings.Contains(err.Error(), "train.max_memory") {
		t.Errorf("1 KiB: %v", err)
	}
}
