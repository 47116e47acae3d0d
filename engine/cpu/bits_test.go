package cpu

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/enginetest"
	"github.com/ldm-go/ldm/graph"
)

var update = flag.Bool("update", false, "write the bits of this instruction set to testdata anew")

// TestBits: the bits of all operations and their gradients are those of
// testdata/bits-LEVEL.txt, which go test -run TestBits -update writes for the level
// that LDM_ISA names. A change that means to keep the bits shows here if it does not.
func TestBits(t *testing.T) {
	if isa.Current() == isa.Portable && runtime.GOARCH != "amd64" {
		t.Skip("the listing is that of amd64: elsewhere Go joins multiplications and additions")
	}
	var got strings.Builder
	for _, n := range enginetest.Networks() {
		for _, p := range []engine.Options{{}, {Exact: true}, {Precision: engine.BF16}} {
			fmt.Fprintf(&got, "%s %v exact %t = %s\n", n.Name, p.Precision, p.Exact, bitsOf(t, n, p))
		}
	}
	path := filepath.Join("testdata", "bits-"+isa.Current().String()+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(string(raw), "\n")
	for i, line := range strings.Split(got.String(), "\n") {
		if i >= len(want) || line != want[i] {
			t.Errorf("%s: other bits than in %s", line, path)
		}
	}
}

// bitsOf is a checksum of a network's result and its gradients.
func bitsOf(t *testing.T, n enginetest.Network, opt engine.Options) string {
	t.Helper()
	o := enginetest.Objective(n)
	vars, _ := o.Draw(n)
	outputs := []graph.Value{o.Y}
	if !n.Flat {
		outputs = append(append(outputs, o.Loss), o.Grads...)
	}
	prog, err := compile(o.Graph, outputs, vars, opt, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	if w := prog.Input("weight"); w != nil {
		copy(w.F32, fill("weight", w.Shape).F32)
	}
	for name, ids := range n.IDs {
		copy(prog.Input(name).I32, ids)
	}
	if err := prog.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	h := fnv.New64a()
	for i := range outputs {
		for _, v := range prog.Output(i).F32 {
			b := math.Float32bits(v)
			h.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)})
		}
	}
	return fmt.Sprintf("%016x", h.Sum64())
}
