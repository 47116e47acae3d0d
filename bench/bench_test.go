package bench

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/tensor"
)

// TestParameters: the works are the networks that their names promise.
func TestParameters(t *testing.T) {
	want := map[string]float64{
		"sd_unet": 859.5e6, "cin_unet": 400.9e6, "dec": 49.5e6, "enc": 34.2e6, "unet_train": 56.1e6, "ae_train": 13.9e6,
	}
	for _, w := range Works() {
		b, err := w.Build(Shape{})
		if err != nil {
			t.Error(err)
			continue
		}
		if n := float64(b.Parameters()); math.Abs(n/want[w.Name]-1) > .01 {
			t.Errorf("%s has %.1f M parameters, want %.1f M", w.Name, n/1e6, want[w.Name]/1e6)
		}
		delete(want, w.Name)
	}
	if len(want) != 0 {
		t.Errorf("works are missing: %v", want)
	}
}

// TestShapes: every work builds at other shapes, and says what is wrong with one.
func TestShapes(t *testing.T) {
	for _, w := range Works() {
		for _, s := range growth() {
			if _, err := w.Build(s); err != nil {
				t.Error(err)
			}
		}
		if _, err := w.Build(Shape{Batch: -1}); err == nil || !strings.Contains(err.Error(), "at least one") {
			t.Errorf("%s of a negative batch: error %v", w.Name, err)
		}
		if _, err := w.Build(Shape{Pixels: 1023}); err == nil {
			t.Errorf("%s takes pictures of 1023 pixels", w.Name)
		}
	}
	if _, err := Find("bogus"); err == nil || !strings.Contains(err.Error(), "ae_train") {
		t.Errorf("error %v does not list the works", err)
	}
}

func TestStatistics(t *testing.T) {
	for _, c := range []struct {
		times         []time.Duration
		median, least time.Duration
	}{
		{nil, 0, 0},
		{[]time.Duration{5}, 5, 5},
		{[]time.Duration{9, 1, 4}, 4, 1},
		{[]time.Duration{9, 1, 4, 6}, 5, 1},
	} {
		if m, l := Median(c.times), least(c.times); m != c.median || l != c.least {
			t.Errorf("%v: median %d, least %d", c.times, m, l)
		}
	}
	now := time.Now()
	for _, c := range []struct {
		runs, n int
		since   time.Time
		more    bool
	}{
		{0, 2, now.Add(-time.Hour), true}, {0, 3, now.Add(-time.Hour), false},
		{0, 29, now, true}, {0, 30, now, false}, {1, 0, now, true}, {1, 1, now, false},
	} {
		if got := (Options{Runs: c.runs}).more(c.n, c.since); got != c.more {
			t.Errorf("--runs %d: more after %d is %v", c.runs, c.n, got)
		}
	}
}

// tiny are works of each kind that take milliseconds.
func tiny() []Work {
	u := transformer(4, 32, 16, []int{2}, 1, 2)
	u.NumHeadChannels = 32
	ae := firstStage(32, 3, 1, 2)
	return []Work{
		{"unet", "", Shape{32, 2}, 4, false, denoiser(u, 3)},
		{"unet_train", "", Shape{32, 2}, 4, true, denoising(u, 3)},
		{"dec", "", Shape{16, 1}, 2, false, decoder(ae)},
		{"enc", "", Shape{16, 1}, 1, false, encoder(ae)},
		{"ae_train", "", Shape{16, 2}, 1, true, reconstruction(ae)},
	}
}

// TestMeasure runs works end to end, with every report.
func TestMeasure(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the works")
	}
	for _, w := range tiny() {
		for _, p := range []engine.Precision{engine.F32, engine.BF16} {
			r, err := w.Measure(t.Context(), Options{Precision: p, Threads: 2, Runs: 2, Profile: true})
			if err != nil {
				t.Fatal(err)
			}
			if r.Runs != 2 || r.Median <= 0 || r.Min > r.Median || r.First <= 0 || r.Parameters == 0 {
				t.Errorf("%+v", r)
			}
			var text bytes.Buffer
			if err := errors.Join(WriteProfile(&text, r), WritePlan(&text, r.Steps)); err != nil {
				t.Error(err)
			}
			for _, want := range []string{"Conv2D + add", "MatMul", "algorithm", "GFLOP"} {
				if !strings.Contains(text.String(), want) {
					t.Errorf("%s: the reports do not mention %s:\n%s", w.Name, want, &text)
				}
			}
		}
	}
}

// TestNotTrivial: the output of a network whose last layer begins at zero is
// not zero, and training changes the loss.
func TestNotTrivial(t *testing.T) {
	for _, w := range tiny() {
		b, err := w.Build(Shape{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := compile(b, b.vars(tensor.F32), Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		b.fill(p)
		run := stepper(t.Context(), p)
		if err := run(); err != nil {
			t.Fatal(err)
		}
		first := p.Output(0).F32[0]
		if first == 0 {
			t.Errorf("%s gives zero", w.Name)
		}
		if err := run(); err != nil {
			t.Fatal(err)
		}
		if changed := p.Output(0).F32[0] != first; changed != w.train {
			t.Errorf("%s: the second run gives %g, the first %g", w.Name, p.Output(0).F32[0], first)
		}
	}
}

// TestRelease: giving back the memory of packed weights does not change results.
func TestRelease(t *testing.T) {
	b, err := tiny()[2].Build(Shape{})
	if err != nil {
		t.Fatal(err)
	}
	var outputs [2][]float32
	for i := range outputs {
		var opt engine.LoadOptions
		vars := b.vars(tensor.F32)
		if i == 1 {
			opt.Released = func(name string) { tensor.Release(vars[name].F32) }
		}
		eng := cpu.New(cpu.Options{Threads: 1})
		w, err := eng.Load(vars, opt)
		if err != nil {
			t.Fatal(err)
		}
		p, err := eng.Compile(b.Graph, b.Outputs, w, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b.fill(p)
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		outputs[i] = p.Output(0).F32
	}
	if !slices.Equal(outputs[0], outputs[1]) {
		t.Error("results differ")
	}
}

func TestPlan(t *testing.T) {
	steps, err := tiny()[0].Plan(Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	products := totals(steps, algorithm)
	if len(products) == 0 || products[0].flops == 0 {
		t.Errorf("products %v", products)
	}
}

func TestParse(t *testing.T) {
	for _, line := range []string{
		"dec bf16 threads=2 median=1.203s min=1.100s first=3.5s peak=824MiB params=49.5M",
		"dec f32-cl threads=1 median=0.00312s min=0.00100s first=0.0s peak=n/a params=13.9M",
	} {
		if r, err := Parse(line + "\n"); err != nil || r.String() != line {
			t.Errorf("%s\nbecomes %s, %v", line, r, err)
		}
	}
	if _, err := Parse("dec f32 threads=2 median=now min=1s first=1s peak=1MiB params=1M"); err == nil {
		t.Error("a line without numbers is taken for a result")
	}
}

func TestGrowth(t *testing.T) {
	var out bytes.Buffer
	err := WriteGrowth(t.Context(), &out, "dec", func(s Shape) (Result, error) {
		if s.Pixels == 1024 {
			return Result{}, errors.New("signal: killed")
		}
		return Result{Median: time.Duration(s.Batch) * time.Second, Peak: 7 << 20}, nil
	})
	if err != nil || !strings.Contains(out.String(), "killed") || !strings.Contains(out.String(), "8.000") {
		t.Errorf("%v\n%s", err, &out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := WriteGrowth(ctx, &out, "dec", tiny()[2].measureShape(ctx)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func (w Work) measureShape(ctx context.Context) func(Shape) (Result, error) {
	return func(Shape) (Result, error) { return w.Measure(ctx, Options{Runs: 1}) }
}

// TestKind: a product that an addition was fused to goes by the product's name.
func TestKind(t *testing.T) {
	for want, s := range map[string]cpu.StepCost{
		"Conv2D":       {Name: "out.2.Conv2D", Op: "Conv2D", Algorithm: "x"},
		"MatMul + add": {Name: "a.MatMul", Op: "Binary", Algorithm: "x"},
		"Binary":       {Name: "Binary", Op: "Binary"},
	} {
		if got := kind(s); got != want {
			t.Errorf("%+v is %q, want %q", s, got, want)
		}
	}
}
