package bench

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/graph"
)

var update = flag.Bool("update", false, "write testdata/choices.txt anew")

// TestChoices: testdata/choices.txt lists which algorithm every product of the works
// takes, by instruction set and precision, and how many products take it. A change of
// choice shows in review as a change of that file, which go test -run TestChoices
// -update writes.
func TestChoices(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the listing is that of amd64")
	}
	var text strings.Builder
	for _, w := range Works() {
		built, err := w.Build(Shape{})
		if err != nil {
			t.Fatal(err)
		}
		counts, names := map[string]int{}, []string{}
		choices := map[string]func(gemm.Precision, isa.Level) string{}
		for _, n := range built.Graph.Nodes() {
			name, choose := product(n, w.train)
			if choose == nil {
				continue
			}
			if counts[name]++; counts[name] == 1 {
				names, choices[name] = append(names, name), choose
			}
		}
		slices.Sort(names)
		fmt.Fprintf(&text, "# %s: %s\n", w.Name, w.What)
		for _, name := range names {
			fmt.Fprintf(&text, "\n%s, %d of them\n", name, counts[name])
			for _, level := range isa.All() {
				fmt.Fprintf(&text, "  %-12s f32: %-36s bf16: %-36s exact: %s\n", level,
					choices[name](gemm.F32, level), choices[name](gemm.BF16, level), choices[name](gemm.Exact, level))
			}
		}
		text.WriteString("\n")
	}
	const path = "testdata/choices.txt"
	if *update {
		if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	now := strings.Split(text.String(), "\n")
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(now) || now[i] != line {
			t.Fatalf("%s:%d: the table chooses otherwise; if that is meant, run go test ./bench -run TestChoices -update", path, i+1)
		}
	}
}

// product is a node's shape in words, and what the engine's table says for it.
func product(n *graph.Node, train bool) (string, func(gemm.Precision, isa.Level) string) {
	if len(n.Inputs) < 2 {
		return "", nil
	}
	x, w := n.Inputs[0].Shape(), n.Inputs[1].Shape()
	conv := func(what string, d gemm.Direction, op graph.Conv2D, x, w graph.Shape) (string, func(gemm.Precision, isa.Level) string) {
		c := gemm.Conv{
			N: x[0], H: x[1], W: x[2], C: x[3], O: w[0], KH: w[2], KW: w[3], Stride: op.Stride, Training: train,
			PadTop: op.Top, PadBottom: op.Bottom, PadLeft: op.Left, PadRight: op.Right,
		}
		return fmt.Sprintf("%-15s %dx%d of %dx%d, %d to %d channels, stride %d", what, c.KH, c.KW, c.H, c.W, c.C, c.O, c.Stride),
			func(p gemm.Precision, l isa.Level) string { return gemm.ConvAlgorithm(d, c, p, l) }
	}
	switch op := n.Op.(type) {
	case graph.Conv2D:
		return conv("convolution", gemm.Forward, op, x, w)
	case graph.Conv2DGradX:
		return conv("gradient to x", gemm.ToPicture, op.Conv, op.Shape, w)
	case graph.Conv2DGradW:
		return conv("gradient to w", gemm.ToWeights, op.Conv, x, op.Shape)
	case graph.MatMul:
		s := gemm.MatMul{M: x.Size() / x[len(x)-1], K: x[len(x)-1], N: w[len(w)-1], TransA: op.TransA, TransB: op.TransB}
		if op.TransA {
			s.M, s.K = s.K, s.M
		}
		if op.TransB {
			s.N = w[0]
		}
		what := "matrix product"
		if s.TransA {
			what = "summed over rows"
		}
		return fmt.Sprintf("%-15s %d rows, %d to %d columns", what, s.M, s.K, s.N), func(p gemm.Precision, l isa.Level) string { return gemm.MatMulAlgorithm(s, p, l) }
	}
	return "", nil
}
