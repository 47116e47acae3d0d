package train

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/discriminator"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/golden/device"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/perceptual"
	"github.com/ldm-go/ldm/tensor"
)

// Tolerances of training, of the reference numbers' README.
const (
	tolLoss   = 1e-5
	tolWeight = 1e-4 // of the adaptive weight, and of losses along the way
	tolGrad   = 1e-3
	tolParam  = 2e-3
)

// training is what a manifest of training says beside the rest.
type training struct {
	Optimizer  int                  `json:"optimizer_idx"`
	GlobalStep int                  `json:"global_step"`
	Log        map[string]float64   `json:"log"`
	Logs       []map[string]float64 `json:"logs"`
	Rate       float64              `json:"learning_rate"`
	Steps      int                  `json:"steps"`
	Norms      map[string]float64   `json:"grad_norms"`
	Zero       []string             `json:"zero_gradient"`
	NormZero   []string             `json:"grad_norms_zero"`
}

func readTraining(t *testing.T, c *golden.Case) (m training) {
	t.Helper()
	json.Unmarshal(c.Raw, &m) // "optimizer" is a name in some cases and not needed
	return m
}

// TestGoldenFirstStage holds both objectives of first stages, their gradients
// and steps against the reference's.
func TestGoldenFirstStage(t *testing.T) {
	for _, pattern := range []string{"training/kl-*", "training/vq-*"} {
		for _, c := range golden.Cases(t, pattern) {
			t.Run(c.Base(), func(t *testing.T) {
				switch steps := strings.HasSuffix(c.Base(), "-gan-steps"); {
				case steps && testing.Short():
					t.Skip("seconds of training")
				case steps:
					checkAdversarialSteps(t, c)
				default:
					checkAdversarial(t, c)
				}
			})
		}
	}
}

// goldenReconstruction is the objective of a case.
func goldenReconstruction(t *testing.T, c *golden.Case, n, size int) (r *reconstruction, vars engine.Vars) {
	t.Helper()
	cfg, err := model.DecodeStage(c.Target(t))
	if err != nil {
		t.Fatal(err)
	}
	loss, has, err := fromReference(cfg)
	if err != nil || !has {
		t.Fatal(err)
	}
	vars = c.Weights(t)
	for name, v := range vars { // not procedural: as the reference initialises them
		if nn.IsStatistic(name) {
			clear(v.F32)
			if strings.HasSuffix(name, "var") {
				nn.Ones(tensor.Stream{}, v.F32)
			}
		}
	}
	if logvar := vars["loss.logvar"]; logvar != nil {
		loss.Logvar = float64(logvar.F32[0])
	}
	return &reconstruction{model: cfg, loss: loss, tune: tuneAll, n: n, shape: image.Pt(size, size), called: "lpips_vgg", distance: func(g *graph.Graph, x, y graph.Value) graph.Value {
		return perceptual.VGG.Distances(nn.NewBuilder(g).In(perceptualPrefix), x, y)
	}}, vars
}

func isJudged(name string) bool { return isUnder(name, discriminator.Prefix) && !nn.IsStatistic(name) }

func checkAdversarial(t *testing.T, c *golden.Case) {
	m := readTraining(t, c)
	x := c.Input(t, "x").ToNHWC()
	r, vars := goldenReconstruction(t, c, x.Shape[0], x.Shape[1])
	if m.GlobalStep < r.loss.Adversary.Start {
		r.loss.Adversary.Factor = 0
	}
	o := Objective{Build: r.adversarial, Moves: r.moves}
	if m.Optimizer == 1 {
		o = Objective{Build: r.judge, Moves: isJudged}
	}
	p, err := newPass(o)
	if err != nil {
		t.Fatal(err)
	}
	grads, run, weights := goldenGradients(t, p, vars)
	copy(run.Input("x").F32, x.F32)
	if r.model.Kind == autoencoder.KL {
		copy(run.Input("noise").F32, c.Output(t, "noise/000").ToNHWC().F32)
	}
	if err := run.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkFirstStageLog(t, m.Log, logged(p, run), r.loss.Adversary.Factor)
	checkGradients(t, c, m, p, grads(), "")
	after, err := weights.Pull()
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range after {
		if c.Has("after/" + name) {
			golden.Near(t, name+" after the pass", v.F32, c.Output(t, "after/"+name).F32, tolLoss)
		}
	}
}

// goldenGradients compiles a pass with its gradients as outputs.
func goldenGradients(t *testing.T, p *pass, vars engine.Vars) (grads func() map[string]*tensor.Tensor, prog engine.Program, w engine.Weights) {
	t.Helper()
	var params, outputs []graph.Value
	for _, w := range p.weights {
		params = append(params, p.g.Param(w.Name, w.Shape...))
	}
	for _, term := range p.loss.Terms {
		outputs = append(outputs, term.Value)
	}
	outputs = append(append(outputs, p.g.Gradients(p.loss.Minimized, params)...), p.loss.Updates...)
	if err := p.g.Err(); err != nil {
		t.Fatal(err)
	}
	eng := device.Engine(t)
	w, err := eng.Load(vars, engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if prog, err = eng.Compile(p.g, outputs, w, engine.Options{Exact: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { prog.Close(); w.Close() })
	return func() map[string]*tensor.Tensor {
		out := map[string]*tensor.Tensor{}
		for i, w := range p.weights {
			out[w.Name] = prog.Output(len(p.loss.Terms) + i)
		}
		return out
	}, prog, w
}

func logged(p *pass, prog engine.Program) map[string]float64 {
	out := map[string]float64{}
	for i, term := range p.loss.Terms {
		out[p.Name+term.Name] = float64(prog.Output(i).F32[0])
	}
	return out
}

// checkFirstStageLog compares the terms by the reference's names for them.
func checkFirstStageLog(t *testing.T, want, got map[string]float64, factor float64) {
	t.Helper()
	for _, name := range []struct {
		theirs, ours string
		tolerance    float64
	}{
		{"total_loss", "loss", tolLoss}, {"kl_loss", "kl", tolLoss}, {"quant_loss", "codebook", tolLoss}, {"nll_loss", "nll", tolLoss}, {"g_loss", "g_loss", tolWeight},
		{"p_loss", "lpips_vgg", tolLoss}, {"d_weight", "d_weight", tolWeight},
		{"disc_loss", "disc_loss", tolLoss}, {"logits_real", "disc_logits_real", tolWeight}, {"logits_fake", "disc_logits_fake", tolWeight},
		{"disc_loss", "loss", tolLoss}, {"logits_real", "logits_real", tolWeight}, {"logits_fake", "logits_fake", tolWeight},
	} {
		w, ok := want["train/"+name.theirs]
		g, have := got[name.ours]
		if !ok || !have || name.theirs == "disc_loss" && name.ours == "loss" && want["train/total_loss"] != 0 {
			continue
		}
		if math.Abs(g-w) > name.tolerance*max(math.Abs(w), 1e-3) {
			t.Errorf("%s is %.9g, want %.9g", name.theirs, g, w)
		}
	}
	if f, ok := want["train/disc_factor"]; ok && f != factor {
		t.Errorf("factor %g, want %g", factor, f)
	}
}

// checkGradients compares gradients, and the norms of all.
func checkGradients(t *testing.T, c *golden.Case, m training, p *pass, got map[string]*tensor.Tensor, prefix string) {
	t.Helper()
	most := 0.0
	for _, n := range m.Norms {
		most = max(most, n)
	}
	checked := 0
	for name, want := range m.Norms {
		g := got[name]
		if g == nil {
			if want != 0 {
				t.Errorf("%s is not trained, want a gradient of norm %g", name, want)
			}
			continue
		}
		sum := 0.0
		for _, v := range g.F32 {
			sum += float64(v) * float64(v)
		}
		if norm := math.Sqrt(sum); math.Abs(norm-want) > tolGrad*max(want, 1e-3*most) {
			t.Errorf("gradient of %s has norm %g, want %g", name, norm, want)
		}
		checked++
	}
	if checked == 0 {
		t.Error("no gradient was compared")
	}
	for name, g := range got {
		if c.Has("grad/" + name) {
			want := c.Output(t, "grad/"+name)
			if m.Norms[name] == 0 {
				continue
			}
			golden.Near(t, "gradient of "+name, g.F32, want.F32, tolGrad)
		}
	}
}

// checkAdversarialSteps runs both objectives in turn, as a run does.
func checkAdversarialSteps(t *testing.T, c *golden.Case) {
	m := readTraining(t, c)
	x := c.Input(t, "x_0")
	r, vars := goldenReconstruction(t, c, x.Shape[0], x.Shape[2])
	waiting := *r // before the discriminator takes part: its pass is there, without effect
	waiting.loss.Adversary.Factor = 0
	fill := func(judged int) func(context.Context, engine.Program, int) error {
		return func(_ context.Context, p engine.Program, batch int) error {
			copy(p.Input("x").F32, c.Input(t, fmt.Sprintf("x_%d", batch-1)).ToNHWC().F32)
			if noise := p.Input("noise"); noise != nil {
				copy(noise.F32, c.Output(t, fmt.Sprintf("noise/%03d", 2*(batch-1)+judged)).ToNHWC().F32)
			}
			return nil
		}
	}
	adam := Optimizer{LearningRate: Rate(m.Rate), Beta1: .5, Beta2: .9}
	at := r.loss.Adversary.Start
	l := &loop{cfg: DefaultLoop(), exact: true, vars: vars, Run: Run{Engine: device.Engine(t)}, out: &log{sums: map[string]float64{}, counts: map[string]int{}}}
	l.cfg.Warmup = 0
	for _, o := range []Objective{
		{Build: waiting.adversarial, Moves: r.moves, Optimizer: adam, Fill: fill(0), End: at},
		{Build: r.adversarial, Moves: r.moves, Optimizer: adam, Fill: fill(0), Begin: at},
		{Name: "disc_", Build: waiting.judge, Moves: isJudged, Optimizer: adam, Fill: fill(1), End: at},
		{Name: "disc_", Build: r.judge, Moves: isJudged, Optimizer: adam, Fill: fill(1), Begin: at},
	} {
		p, err := newPass(o)
		if err != nil {
			t.Fatal(err)
		}
		l.passes = append(l.passes, p)
	}
	l.addOptimizerVars()
	l.task = idle{}
	if err := l.load(); err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for n, want := range m.Logs {
		if err := l.update(context.Background()); err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for name := range l.out.sums {
			got[name] = l.out.mean(name)
		}
		clear(l.out.sums)
		clear(l.out.counts)
		factor := 1.0
		if n < at {
			factor = 0
		}
		checkAlongTheWay(t, n, want, got, factor)
	}
	now, err := l.weights.Pull()
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range now {
		for _, prefix := range []string{"param/", "after/"} {
			if c.Has(prefix + name) {
				golden.Near(t, name+" after the steps", v.F32, c.Output(t, prefix+name).F32, tolParam)
			}
		}
	}
}

// checkAlongTheWay compares losses between steps, whose tolerance is larger.
func checkAlongTheWay(t *testing.T, n int, want, got map[string]float64, factor float64) {
	t.Helper()
	for theirs, ours := range map[string]string{
		"total_loss": "loss", "kl_loss": "kl", "quant_loss": "codebook", "nll_loss": "nll", "g_loss": "g_loss", "d_weight": "d_weight",
		"disc_loss": "disc_loss", "logits_real": "disc_logits_real", "logits_fake": "disc_logits_fake",
	} {
		w, ok := want["train/"+theirs]
		if !ok {
			continue
		}
		tolerance := tolWeight
		if theirs == "g_loss" || theirs == "d_weight" || strings.HasPrefix(theirs, "logits") {
			tolerance = 1e-4
		}
		if g, have := got[ours]; !have || math.Abs(g-w) > tolerance*max(math.Abs(w), 1e-3) {
			t.Errorf("step %d: %s is %.9g, want %.9g", n, theirs, g, w)
		}
	}
	if f := want["train/disc_factor"]; f != factor {
		t.Errorf("step %d: factor %g, want %g", n, factor, f)
	}
}
