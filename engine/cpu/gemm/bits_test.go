package gemm

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/isa"
)

var update = flag.Bool("update", false, "write testdata/bits.txt anew")

// bitsFile lists the results of products and convolutions by their bits.
const bitsFile = "testdata/bits.txt"

// TestBits: the bits of every algorithm's results are those of testdata/bits.txt, which
// go test -run TestBits -update writes. A change of kernels or plans that means
// to keep the bits shows here if it does not; one that means to change them shows
// in review. Lines of instruction sets that this machine lacks stay as they are.
func TestBits(t *testing.T) {
	raw, err := os.ReadFile(bitsFile)
	if err != nil && !*update {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(raw)), "\n") {
		if key, bits, ok := strings.Cut(line, " = "); ok {
			want[key] = bits
		}
	}
	for _, m := range modes() {
		if m.level == isa.Portable && runtime.GOARCH != "amd64" {
			continue // its lines are those of amd64: elsewhere Go joins multiplications and additions
		}
		for key, p := range bitsPlans(m) {
			if strings.Contains(key, "GEGLU") && isa.Current() == isa.Portable && runtime.GOARCH != "amd64" {
				continue // and so is the GELU of plain Go
			}
			key = fmt.Sprintf("%-11s %-5s %s", m.level, [...]string{"f32", "bf16", "exact"}[m.prec], key)
			if strings.Contains(key, "GEGLU") { // which GELU is computed is the process's choice, not the plan's
				key += ", GELU of " + vectors(isa.Current()).String()
			}
			plan, args := p()
			run(plan, 2, args)
			got := hashOf(args.Y) + "  " + plan.Algorithm
			if *update {
				want[key] = got
			} else if want[key] != got {
				t.Errorf("%s: %q, want %q", key, got, want[key])
			}
		}
	}
	if *update {
		var lines []string
		for key, bits := range want {
			lines = append(lines, key+" = "+bits+"\n")
		}
		slices.Sort(lines)
		if err := os.WriteFile(bitsFile, []byte(strings.Join(lines, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func hashOf(x []float32) string {
	h := fnv.New64a()
	for _, v := range x {
		b := math.Float32bits(v)
		h.Write([]byte{byte(b), byte(b >> 8), byte(b >> 16), byte(b >> 24)})
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// vectors is the level whose vectors of float32 a level computes with.
func vectors(l isa.Level) isa.Level {
	for _, widest := range []isa.Level{isa.AVX512, isa.NEON} {
		if l.Has(widest) {
			return widest
		}
	}
	return l
}

// bitsPlans are products and convolutions in all directions that between them take
// every algorithm.
func bitsPlans(m mode) map[string]func() (*plans.Plan, plans.Args) {
	all := map[string]func() (*plans.Plan, plans.Args){}
	for _, s := range []plans.MatMul{{M: 33, N: 65, K: 130}, {M: 70, N: 96, K: 1000}, {M: 3, N: 17, K: 40}, {M: 100, N: 64, K: 260, GEGLU: true}} {
		for _, trans := range []plans.MatMul{{}, {TransB: true}, {TransA: true}} {
			s := s
			if s.TransA, s.TransB = trans.TransA, trans.TransB; s.TransA && s.GEGLU {
				continue
			}
			all[fmt.Sprintf("product %dx%dx%d %v", s.M, s.N, s.K, flagsOf(s))] = func() (*plans.Plan, plans.Args) {
				a := plans.Args{X: random(s.M*s.K, 1), W: random(s.K*s.N, 2), Y: make([]float32, s.M*s.N)}
				if s.GEGLU {
					a.Y = a.Y[:s.M*s.N/2]
				}
				if !s.TransA {
					a.Bias = random(s.N, 3)
				}
				return planMatMul(s, m.prec, 2, m.level), a
			}
		}
	}
	for _, c := range bitsConvs() {
		oh, ow := c.OutSize()
		x, w, dy := c.N*c.H*c.W*c.C, c.O*c.C*c.KH*c.KW, c.N*oh*ow*c.O
		name := fmt.Sprintf("%dx%dx%d %d-%d %dx%d/%d pad %d%d%d%d", c.N, c.H, c.W, c.C, c.O, c.KH, c.KW, c.Stride, c.PadTop, c.PadBottom, c.PadLeft, c.PadRight)
		if c.Training {
			name += " training"
		}
		all["forward "+name] = func() (*plans.Plan, plans.Args) {
			return planConv(c, m.prec, 2, m.level), plans.Args{X: random(x, 1), W: random(w, 2), Y: make([]float32, dy), Bias: random(c.O, 3), Add: random(dy, 4)}
		}
		all["to the picture "+name] = func() (*plans.Plan, plans.Args) {
			return planConvGradX(c, m.prec, 2, m.level), plans.Args{X: random(dy, 1), W: random(w, 2), Y: make([]float32, x)}
		}
		all["to the weights "+name] = func() (*plans.Plan, plans.Args) {
			return planConvGradW(c, m.prec, 2, m.level), plans.Args{X: random(x, 1), W: random(dy, 2), Y: make([]float32, w)}
		}
	}
	return all
}

func flagsOf(s plans.MatMul) (flags []string) {
	for name, set := range map[string]bool{"A transposed": s.TransA, "B transposed": s.TransB, "GEGLU": s.GEGLU} {
		if set {
			flags = append(flags, name)
		}
	}
	slices.Sort(flags)
	return flags
}

func bitsConvs() []plans.Conv {
	all := slices.Clone(convs)
	for _, c := range slices.Concat(rowsConvs, []plans.Conv{square(1, 24, 96, 96), square(1, 8, 64, 64), square(1, 20, 64, 80)}) {
		c.KH, c.KW, c.Stride = 3, 3, 1
		for _, training := range []bool{false, true} {
			if training && testing.Short() && !*update {
				continue
			}
			c.Training = training
			all = append(all, c)
		}
	}
	return all
}

// TestBitsCover: the listing has every instruction set that has kernels.
func TestBitsCover(t *testing.T) {
	raw, err := os.ReadFile(bitsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range isa.All() {
		if !strings.Contains("\n"+string(raw), "\n"+l.String()+" ") {
			t.Errorf("no line of %s", l)
		}
	}
}
