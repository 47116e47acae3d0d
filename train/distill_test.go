package train

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/internal/golden/device"
	"github.com/ldm-go/ldm/tensor"
)

func distillConfig(t testing.TB, base, folder string, overrides ...string) DistillConfig {
	t.Helper()
	cfg := DefaultDistill()
	all := append([]string{"base=" + base, "data.train=" + folder, "train.batch_size=2", "train.warmup=0", "train.sample_every=100", "lora.rank=2", "samples.steps=1"}, overrides...)
	if err := config.Load(&cfg, nil, all); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestDistill: a student of each kind goes on bit for bit after a stop, and is sampled by
// few steps of LCM.
func TestDistill(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a teacher and students")
	}
	folder := t.TempDir()
	pictures(t, folder)
	base := tinyModel(t, folder)
	for _, kind := range []string{"model", "model student.guidance_embedding=8 student.guidance_max=5", "lora student.bound=true"} {
		runs := t.TempDir()
		whole, halves := filepath.Join(runs, "whole"), filepath.Join(runs, "halves")
		for _, call := range []struct{ run, steps string }{{whole, "3"}, {halves, "1"}, {halves, "3"}} {
			cfg := distillConfig(t, base, folder, append(strings.Fields("student.kind="+kind), "train.steps="+call.steps)...)
			if err := Distill(t.Context(), cfg, Run{Dir: call.run, Engine: device.Engine(t)}); err != nil {
				t.Fatal(kind, err)
			}
		}
		sameTensors(t, filepath.Join(whole, CheckpointFile), filepath.Join(halves, CheckpointFile))
		checkStudent(t, kind, base, whole)
	}
}

// checkStudent samples a student.
func checkStudent(t *testing.T, kind, base, run string) {
	t.Helper()
	path, request := filepath.Join(run, ModelFile), ldm.Request{Condition: ldm.Prompt("picture 1")}
	if strings.HasPrefix(kind, "lora") {
		path = base
	}
	m, err := ldm.Open(path, ldm.Options{Engine: device.Engine(t)})
	if err != nil {
		t.Fatal(kind, err)
	}
	defer m.Close()
	if strings.HasPrefix(kind, "lora") {
		if unused, err := m.SetLoRA(t.Context(), lora.At(filepath.Join(run, LoRAFile), 1)); err != nil || len(unused) > 0 {
			t.Error(unused, err)
		}
		a, err := lora.Open(filepath.Join(run, LoRAFile))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if a.OnlyOn() == "" {
			t.Error("a bound student does not name its model")
		}
	}
	out, err := m.Generate(t.Context(), request)
	if err != nil {
		t.Fatal(kind, err)
	}
	if r := out.Request; r.Sampler.Name != "LCM" || r.Steps != 4 || r.Guidance != 1 && !strings.Contains(kind, "embedding") {
		t.Errorf("%s: sampled by %s in %d steps with guidance %g", kind, r.Sampler.Name, r.Steps, r.Guidance)
	}
}

// TestDistillLoss holds the loss of the first step, where student and average are the
// teacher, against algorithm 1 written out over the teacher's own predictions.
func TestDistillLoss(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a teacher first")
	}
	folder := t.TempDir()
	pictures(t, folder)
	base := tinyModel(t, folder)
	cfg := distillConfig(t, base, folder, "student.kind=lora", "student.guidance_min=2", "student.guidance_max=4", "student.loss=l2", "train.steps=1")
	run := Run{Dir: t.TempDir(), Engine: cpu.New(cpu.Options{})}
	d := &distillation{student: cfg.Student, dtype: formats[cfg.DType]}
	if err := d.prepare(t.Context(), cfg, run); err != nil {
		t.Fatal(err)
	}
	l := &loop{Run: run, cfg: d.cfg.Train, task: d, vars: d.vars}
	if err := l.build(); err != nil {
		t.Fatal(err)
	}
	if err := l.load(); err != nil {
		t.Fatal(err)
	}
	defer l.close()
	prog, err := l.Engine.Compile(l.passes[0].g, l.passes[0].outputs(l.cfg, 1), l.weights, engine.Options{Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	if err := d.fill(t.Context(), prog, 1); err != nil {
		t.Fatal(err)
	}
	teacher, err := ldm.Open(base, ldm.Options{Engine: cpu.New(cpu.Options{}), Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	defer teacher.Close()
	want := algorithm1(t, prog, teacher)
	l.setScalars(prog, l.passes[0], 1)
	if err := prog.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := float64(prog.Output(0).F32[0]); math.Abs(got-want) > 1e-4*want {
		t.Errorf("loss %g, want %g", got, want)
	}
}

// algorithm1 is the mean square of the student's clean latent at t less that at u.
func algorithm1(t *testing.T, prog engine.Program, teacher *ldm.Model) float64 {
	x, conditions := prog.Input("x"), prog.Input("condition")
	n, sum := x.Shape[0], 0.0
	eps := func(x []float64, at float64, condition int) []float64 {
		in := tensor.New(1, 8, 8, 2)
		for i, v := range x {
			in.F32[i] = float32(v)
		}
		y, err := teacher.Predict(t.Context(), in, at, []ldm.Encoding{{Context: conditions.Row(condition)}})
		if err != nil {
			t.Fatal(err)
		}
		var out []float64
		for _, v := range y.F32 {
			out = append(out, float64(v))
		}
		return out
	}
	for i := range n {
		var xt []float64
		for _, v := range x.Row(i).F32 {
			xt = append(xt, float64(v))
		}
		number := func(name string) float64 { return float64(prog.Input(name).F32[i]) }
		bars := teacher.Network().Schedule.AlphasCumprod
		from, to, scale := number("t"), number("u"), number("scale")
		if to != max(from-20, 0) || scale < 2 || scale > 4 {
			t.Errorf("from timestep %g to %g at scale %g", from, to, scale)
		}
		clean := func(x, e []float64, at float64) []float64 {
			bar := bars[int(at)]
			q := 10 * at
			out := make([]float64, len(x))
			for k := range x {
				x0 := (x[k] - math.Sqrt(1-bar)*e[k]) / math.Sqrt(bar)
				out[k] = .25/(q*q+.25)*x[k] + q/math.Sqrt(q*q+.25)*x0
			}
			return out
		}
		told, empty := eps(xt, from, i), eps(xt, from, n+i)
		there := make([]float64, len(xt))
		for k := range xt {
			e := empty[k] + scale*(told[k]-empty[k])
			x0 := (xt[k] - math.Sqrt(1-bars[int(from)])*e) / math.Sqrt(bars[int(from)])
			there[k] = math.Sqrt(bars[int(to)])*x0 + math.Sqrt(1-bars[int(to)])*e
		}
		said, goal := clean(xt, told, from), clean(there, eps(there, to, i), to)
		for k := range said {
			sum += (said[k] - goal[k]) * (said[k] - goal[k]) / float64(n*len(said))
		}
	}
	return sum
}

// TestDistillRefused: what cannot be distilled is said.
func TestDistillRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a teacher first")
	}
	folder := t.TempDir()
	pictures(t, folder)
	base := tinyModel(t, folder)
	for _, c := range []struct{ override, say string }{
		{"student.kind=some", "want model or lora"}, {"student.guidance_min=0", "from 1 (none)"}, {"student.guidance_embedding=3", "even"}, {"student.grid=0", "student.grid"},
		{"student.loss=l1", "want huber or l2"}, {"student.kind=lora student.guidance_embedding=8", "cannot be told"},
	} {
		cfg := distillConfig(t, base, folder, strings.Fields(c.override)...)
		if err := Distill(t.Context(), cfg, Run{Dir: filepath.Join(t.TempDir(), "run"), Engine: cpu.New(cpu.Options{})}); err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one with %q", c.override, err, c.say)
		}
	}
}
