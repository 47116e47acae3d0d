package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/golden/device"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// TestGoldenSecondStage holds the denoiser's objective, its gradients and steps
// against the reference's.
func TestGoldenSecondStage(t *testing.T) {
	for _, c := range golden.Cases(t, "training/ldm-*") {
		t.Run(c.Base(), func(t *testing.T) {
			net, err := model.New(c.Target(t))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(c.Base(), "adamw") {
				checkDenoisingSteps(t, c, net)
			} else {
				checkDenoising(t, c, net)
			}
		})
	}
}

// goldenCondition is the condition of a case, whose inputs have those names with
// that ending.
type goldenCondition struct {
	c   *golden.Case
	t   *testing.T
	net *model.Network
	end string
}

func (g *goldenCondition) name() string {
	for _, name := range []string{"tokens", "class_label", "seg"} {
		if _, ok := g.c.Inputs[name+g.end]; ok {
			return name
		}
	}
	return ""
}

func (g *goldenCondition) build(b nn.Builder, n int) []graph.Value {
	in := g.name()
	switch in {
	case "":
		return nil
	case "seg":
		shape := g.c.Input(g.t, in+g.end).ToNHWC().Shape
		return []graph.Value{g.net.ConditionPicture(b, b.G.Input("picture", shape...))}
	}
	return []graph.Value{g.net.Condition(b, n, g.c.Input(g.t, in+g.end).Shape.Size()/n)}
}

// fill writes the inputs of a case.
func (g *goldenCondition) fill(p engine.Program, schedule noiser) {
	x := g.c.Input(g.t, "x_start"+g.end).ToNHWC()
	noise := g.c.Input(g.t, "noise"+g.end).ToNHWC()
	for i, at := range g.c.Input(g.t, "t"+g.end).I32 {
		schedule.put(p, i, x.Row(i).F32, noise.Row(i).F32, int(at))
	}
	switch in := g.name(); in {
	case "seg":
		copy(p.Input("picture").F32, g.c.Input(g.t, in+g.end).ToNHWC().F32)
	case "class_label":
		copy(p.Input("labels").I32, g.c.Input(g.t, in+g.end).I32)
	case "tokens":
		copy(p.Input("tokens").I32, g.c.Input(g.t, in+g.end).I32)
	}
}

func goldenDenoising(t *testing.T, c *golden.Case, net *model.Network, end string) (*goldenCondition, func(b nn.Builder) Loss) {
	x := c.Input(t, "x_start"+end)
	cond := &goldenCondition{c, t, net, end}
	d := denoising{net: net, delta: 1, h: x.Shape[2], w: x.Shape[3], context: cond.build}
	return cond, func(b nn.Builder) Loss { return d.build(b, x.Shape[0]) }
}

func all(string) bool { return true }

func checkDenoising(t *testing.T, c *golden.Case, net *model.Network) {
	m := readTraining(t, c)
	cond, build := goldenDenoising(t, c, net, "")
	p, err := newPass(Objective{Build: build, Moves: all})
	if err != nil {
		t.Fatal(err)
	}
	grads, prog, _ := goldenGradients(t, p, c.Weights(t))
	cond.fill(prog, noiser{schedule: net.Schedule})
	golden.Near(t, "noised latents", prog.Input("x").F32, c.Output(t, "x_noisy").ToNHWC().F32, tolLoss)
	if err := prog.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := logged(p, prog)
	for name, want := range m.Log {
		ours := strings.TrimPrefix(name, "train/")
		if v, ok := got[ours]; ok && math.Abs(v-want) > tolLoss*math.Abs(want) {
			t.Errorf("%s is %.9g, want %.9g", name, v, want)
		}
	}
	if _, ok := got["loss"]; !ok {
		t.Error("no loss")
	}
	checkGradients(t, c, m, p, grads(), "")
}

// checkDenoisingSteps runs steps of AdamW with moving averages of the U-Net.
func checkDenoisingSteps(t *testing.T, c *golden.Case, net *model.Network) {
	m := readTraining(t, c)
	var zero struct {
		Zero []string `json:"zero_gradient"`
	}
	json.Unmarshal(c.Raw, &zero)
	cfg := DefaultDiffusion().Train
	cfg.Warmup, cfg.EMA, cfg.LearningRate = 0, .9999, Rate(m.Rate)
	cfg.Scheduler = net.Params.Scheduler
	_, build := goldenDenoising(t, c, net, "_0")
	p, err := newPass(Objective{Build: build, Moves: all, Optimizer: cfg.Optimizer, Averaged: true, Fill: func(_ context.Context, p engine.Program, batch int) error {
		(&goldenCondition{c, t, net, fmt.Sprintf("_%d", batch-1)}).fill(p, noiser{schedule: net.Schedule})
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	l := &loop{cfg: cfg, exact: true, vars: c.Weights(t), Run: Run{Engine: device.Engine(t)}, passes: []*pass{p}, task: idle{}, out: &log{sums: map[string]float64{}, counts: map[string]int{}}}
	l.addOptimizerVars()
	if err := l.load(); err != nil {
		t.Fatal(err)
	}
	defer l.close()
	losses := c.Output(t, "losses").F32
	for n := range m.Steps {
		if err := l.update(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := l.out.mean("loss"); math.Abs(got-float64(losses[n])) > tolWeight*math.Abs(float64(losses[n])) {
			t.Errorf("step %d: loss %.9g, want %.9g", n, got, losses[n])
		}
		clear(l.out.sums)
		clear(l.out.counts)
	}
	now, err := l.weights.Pull()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range p.weights {
		if contains(zero.Zero, w.Name) {
			continue
		}
		for prefix, ours := range map[string]string{"param/": w.Name, "ema/": emaShadow + w.Name} {
			if c.Has(prefix + w.Name) {
				golden.Near(t, prefix+w.Name+" after the steps", now[ours].F32, c.Output(t, prefix+w.Name).F32, tolParam)
			}
		}
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// TestGoldenScale: latents are scaled by the deviation of drawn ones.
func TestGoldenScale(t *testing.T) {
	for _, c := range golden.Cases(t, "training/scale-by-std") {
		net, err := model.New(c.Target(t))
		if err != nil {
			t.Fatal(err)
		}
		vars := engine.Vars{}
		for name, v := range c.Weights(t) {
			if rest, ok := strings.CutPrefix(name, model.PrefixFirstStage+"."); ok {
				vars[rest] = v
			}
		}
		eng := device.Engine(t)
		w, err := eng.Load(vars, engine.LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		moments, err := ldm.NewFirstStage(net.FirstStage, w, ldm.Options{Engine: eng, Exact: true}).Moments(t.Context(), c.Input(t, "image"))
		if err != nil {
			t.Fatal(err)
		}
		draw := func(noise *tensor.Tensor) []float32 {
			z := make([]float32, len(noise.F32))
			drawLatent(z, moments.F32, noise.F32, net.FirstStage.EmbedDim)
			return z
		}
		var d deviation
		d.add(draw(c.Output(t, "noise/000").ToNHWC()))
		scale := float32(1 / d.std())
		if want := c.Output(t, "scale_factor").F32[0]; math.Abs(float64(scale/want-1)) > tolLoss {
			t.Errorf("scale %g, want %g", scale, want)
		}
		z := draw(c.Output(t, "noise/001").ToNHWC())
		for i := range z {
			z[i] *= scale
		}
		golden.Near(t, "scaled latents", z, c.Output(t, "z_second_encode").ToNHWC().F32, golden.Forward)
	}
}

// TestGoldenLosses holds the elementwise losses against PyTorch's.
func TestGoldenLosses(t *testing.T) {
	for _, c := range golden.Cases(t, "guidance/losses") {
		pred, target := c.Input(t, "pred"), c.Input(t, "target")
		for name, d := range map[string]struct {
			loss  diffusion.LossType
			delta float64
		}{"l2": {diffusion.L2, 1}, "l1": {diffusion.L1, 1}, "huber/0.1": {diffusion.Huber, .1}, "huber/1": {diffusion.Huber, 1}} {
			net := &model.Network{Params: model.Params{Config: diffusion.Config{LossType: d.loss}}}
			g := graph.New()
			y := (&denoising{net: net, delta: d.delta}).distance(g, g.Input("pred", pred.Shape...), g.Input("target", target.Shape...))
			prog, err := engine.CompileWith(device.Engine(t), g, []graph.Value{y}, nil, engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			copy(prog.Input("pred").F32, pred.F32)
			copy(prog.Input("target").F32, target.F32)
			if err := prog.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i, want := range c.Floats64(t, name) {
				if got := float64(prog.Output(0).F32[i]); math.Abs(got-want) > tolLoss*max(want, 1e-2) {
					t.Errorf("%s: number %d is %g, want %g", name, i, got, want)
				}
			}
			prog.Close()
		}
	}
}

// TestGoldenOffset holds offset noise against the scripts'.
func TestGoldenOffset(t *testing.T) {
	for _, c := range golden.Cases(t, "guidance/noise") {
		noise, offset := c.Input(t, "noise").ToNHWC(), c.Input(t, "offset").ToNHWC()
		for i := range noise.Shape[0] {
			addOffset(noise.Row(i).F32, offset.Row(i).F32, .1)
		}
		want := tensor.New(c.Input(t, "noise").Shape...)
		for i, v := range c.Floats64(t, "offset_noise") {
			want.F32[i] = float32(v)
		}
		if e := golden.RelErr(noise.F32, want.ToNHWC().F32); !(e < tolLoss) {
			t.Errorf("offset noise: error %g", e)
		}
	}
}
