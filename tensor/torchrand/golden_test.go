package torchrand

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/internal/golden"
)

func seedOf(t *testing.T, text string) uint64 {
	t.Helper()
	switch text {
	case "2p32m1":
		return 1<<32 - 1
	case "2p63":
		return 1 << 63
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// manifest are the fields of the cases.
type manifest struct {
	Seed     string   `json:"seed"`
	Seeds    []string `json:"seeds"`
	Sequence []string `json:"sequence"`
	Shape    []int    `json:"shape"`
	Least    float64  `json:"sigma_min"`
	Most     float64  `json:"sigma_max"`
	Words    []struct {
		Entropy string   `json:"entropy"`
		Key     []uint64 `json:"spawn_key"`
		Words   []uint32 `json:"words"`
	} `json:"seed_sequence"`
	Anchors []struct {
		Seed    uint64    `json:"seed"`
		Count   int       `json:"numel"`
		Threads int       `json:"threads"`
		First   int       `json:"first"`
		Values  []float64 `json:"values"`
	} `json:"anchors"`
	Known []struct{ Counter, Key, Out []string } `json:"philox_known_answers"`
}

func read(t *testing.T, c *golden.Case) (m manifest) {
	t.Helper()
	c.Manifest(t, &m)
	return m
}

func near(t *testing.T, name string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, want %d", name, len(got), len(want))
		return
	}
	for i, w := range want {
		if !(math.Abs(got[i]-w) <= tolerance*(1+math.Abs(w))) {
			t.Errorf("%s[%d] = %.9g, want %.9g", name, i, got[i], w)
			return
		}
	}
}

func wide(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// stored reads an output of any type.
func stored(t *testing.T, c *golden.Case, name string) []float64 {
	t.Helper()
	if out := c.Output(t, name); out.F32 != nil {
		return wide(out.F32)
	} else if out.I32 != nil {
		var y []float64
		for _, v := range out.I32 {
			y = append(y, float64(v))
		}
		return y
	}
	return c.Floats64(t, name)
}

// call does what a call of torch does.
func call(g *CPU, what string, n int) ([]float64, float64) {
	switch what {
	case "randn":
		x := make([]float32, n)
		g.Normal(x)
		return wide(x), 3e-6
	case "randn64":
		x := make([]float64, n)
		g.Normal64(x)
		return x, 1e-14
	}
	x := make([]float64, n)
	for i := range x {
		switch what {
		case "rand":
			x[i] = float64(g.Float32())
		case "rand64":
			x[i] = g.Float64()
		}
	}
	return x, 0
}

func TestCPU(t *testing.T) {
	for _, c := range golden.Cases(t, "rng/cpu-randn-*") {
		seed := seedOf(t, read(t, c).Seed)
		for name := range c.Outputs {
			parts := strings.Split(name, "/")
			if parts[1] != "float32" && parts[1] != "float64" {
				continue // not drawn here
			}
			n, err := strconv.Atoi(parts[2])
			if err != nil {
				n = 4 * 64 * 64
			}
			what, tolerance := "randn", 3e-6
			if parts[1] == "float64" {
				what, tolerance = "randn64", 1e-14
			}
			got, _ := call(NewCPU(seed), what, n)
			if len(parts) > 3 {
				got = map[string][]float64{"first16": got[:16], "last16": got[len(got)-16:]}[parts[3]]
			}
			var want []float64
			if parts[0] == "ideal" || parts[1] == "float64" {
				want = c.Floats64(t, name)
			} else {
				want = stored(t, c, name)
			}
			near(t, c.Base()+" "+name, got, want, tolerance)
		}
	}
	for _, c := range golden.Cases(t, "rng/cpu-sequence*") {
		m := read(t, c)
		g := NewCPU(seedOf(t, m.Seed))
		for i, step := range m.Sequence {
			what, count, _ := strings.Cut(step, " ")
			if what == "manual_seed" {
				g = NewCPU(seedOf(t, m.Seed))
				continue
			}
			var got []float64
			var tolerance float64
			var lo, hi int64
			n := 0
			switch what {
			case "randint":
				fmt.Sscan(count, &lo, &hi, &n)
				for range n {
					got = append(got, float64(g.Int(lo, hi)))
				}
			case "randperm":
				fmt.Sscan(count, &n)
				for _, v := range g.Perm(n) {
					got = append(got, float64(v))
				}
			default:
				n = 1
				for _, size := range strings.Split(count, "x") {
					k, _ := strconv.Atoi(size)
					n *= k
				}
				got, tolerance = call(g, what, n)
			}
			if len(got) != n || n == 0 {
				t.Fatalf("%s: %s", c.Base(), step)
			}
			name := fmt.Sprintf("%02d", i)
			want := []float64(nil)
			if strings.HasSuffix(what, "64") {
				want = c.Floats64(t, name)
			} else {
				want = stored(t, c, name)
			}
			near(t, fmt.Sprintf("%s: call %d, %s", c.Base(), i, step), got, want, tolerance)
		}
	}
}

func TestUniform(t *testing.T) {
	for _, c := range golden.Cases(t, "rng/cpu-uniform") {
		for name := range c.Outputs {
			parts := strings.Split(name, "/")
			g := NewCPU(seedOf(t, strings.TrimPrefix(parts[1], "seed")))
			var got []float64
			switch what := parts[0] + "/" + parts[2]; {
			case what == "rand/float32":
				got, _ = call(g, "rand", 20)
				near(t, name, got, stored(t, c, name), 0)
			case what == "rand/float64":
				got, _ = call(g, "rand64", 20)
				near(t, name, got, c.Floats64(t, name), 0)
			case parts[0] == "randint":
				lo, hi, _ := strings.Cut(parts[2], ",")
				from, _ := strconv.ParseInt(lo, 10, 64)
				to, _ := strconv.ParseInt(hi, 10, 64)
				if to-from >= 1<<31 || to-from < 0 {
					continue // the reader of cases has numbers of 32 bits
				}
				for range 12 {
					got = append(got, float64(g.Int(from, to)))
				}
				near(t, name, got, stored(t, c, name), 0)
			case parts[0] == "randperm":
				n, _ := strconv.Atoi(parts[2])
				for _, v := range g.Perm(n) {
					got = append(got, float64(v))
				}
				near(t, name, got, stored(t, c, name), 0)
			}
		}
	}
}

func TestCUDA(t *testing.T) {
	for _, c := range golden.Cases(t, "rng/cuda-*") {
		m := read(t, c)
		for _, k := range m.Known {
			hex := func(s string) uint32 {
				v, err := strconv.ParseUint(s, 0, 32)
				if err != nil {
					t.Fatal(err)
				}
				return uint32(v)
			}
			var counter, want [4]uint32
			for i := range counter {
				counter[i], want[i] = hex(k.Counter[i]), hex(k.Out[i])
			}
			if got := philox(uint64(hex(k.Key[0]))|uint64(hex(k.Key[1]))<<32, counter); got != want {
				t.Errorf("Philox gives %x, want %x", got, want)
			}
		}
		for _, a := range m.Anchors {
			g := NewCUDA(a.Seed)
			g.Threads = a.Threads
			for i, w := range a.Values {
				if got := g.at(a.First+i, g.threads(a.Count)); math.Abs(float64(got)-w) > 6e-5 {
					t.Errorf("seed %d, element %d of %d: %g, want %g", a.Seed, a.First+i, a.Count, got, w)
				}
			}
		}
		if strings.HasPrefix(c.Base(), "cuda-randn") {
			g := NewCUDA(seedOf(t, m.Seed))
			for i, n := range []int{12, 1, 64, 16384} {
				x := make([]float32, n)
				g.Normal(x)
				if name := fmt.Sprintf("calls/%d/randn/%d", i, n); c.Has(name) {
					near(t, name, wide(x), stored(t, c, name), 1e-5)
				} else {
					near(t, name, wide(x[:16]), stored(t, c, name+"/first16"), 1e-5)
					near(t, name, wide(x[n-16:]), stored(t, c, name+"/last16"), 1e-5)
				}
			}
		}
		if c.Base() == "cuda-large" {
			for _, gpu := range []string{"unlimited", "221184", "125952", "43008"} {
				g := NewCUDA(42)
				g.Threads, _ = strconv.Atoi(gpu)
				x, next := make([]float32, 294912), make([]float32, 8)
				g.Normal(x)
				g.Normal(next)
				var got []float64
				for _, i := range c.Input(t, "at").I32 {
					got = append(got, float64(x[i]))
				}
				near(t, gpu, got, stored(t, c, "randn/"+gpu), 1e-5)
				near(t, gpu+", the next call", wide(next), stored(t, c, "next/"+gpu), 1e-5)
			}
		}
	}
}

func TestTree(t *testing.T) {
	for _, c := range golden.Cases(t, "rng/brownian-seed*") {
		m := read(t, c)
		for _, w := range m.Words {
			if got := seedSequence(seedOf(t, w.Entropy), w.Key...); fmt.Sprint(got) != fmt.Sprint(w.Words) {
				t.Errorf("seed sequence of %s, %v: %v, want %v", w.Entropy, w.Key, got, w.Words)
			}
		}
		n := m.Shape[0] * m.Shape[1] * m.Shape[2]
		tree := NewTree(seedOf(t, m.Seed), m.Least, m.Most, n)
		sigmas, middles := c.Floats64(t, "input/sigmas"), c.Floats64(t, "m")
		noise := func(from, to float64) []float64 {
			a := append([]float32(nil), tree.At(from)...)
			b := tree.At(to)
			out := make([]float64, n)
			for i := range out {
				out[i] = float64(a[i]-b[i]) / math.Sqrt(from-to) * -1
			}
			return out
		}
		for i := range 7 {
			for name, to := range map[string]float64{"full": sigmas[i+1], "mid": middles[i]} {
				want := wide(c.Output(t, name).Row(i).F32)
				near(t, fmt.Sprintf("%s: %s %d", c.Base(), name, i), noise(sigmas[i], to), want, 1e-4)
			}
		}
	}
}
