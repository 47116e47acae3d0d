package train

import (
	"context"
	"maps"
	"math"
	"path/filepath"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// DistillConfig configures latent consistency distillation (Luo et al., arXiv
// 2310.04378, algorithm 1): a student learns to say of a noised latent at once where
// its guided teacher gets to in many steps.
type DistillConfig struct {
	Base    string           `yaml:"base"` // the teacher; empty: the model in the program
	Student Student          `yaml:"student"`
	LoRA    lora.Factors     `yaml:"lora"`  // of a student that is one
	DType   checkpoint.DType `yaml:"dtype"` // of the file: f32, f16 or bf16
	Data    Data             `yaml:"data"`  // size 0: the teacher's
	CacheMB int              `yaml:"cache_mb"`
	Train   Loop             `yaml:"train"` // ema_decay is of the averages that the student learns from
	Samples Samples          `yaml:"samples"`
}

// Student configures what is learnt.
type Student struct {
	Kind      string  `yaml:"kind"`               // model: all weights of the U-Net; lora: a LoRA of the teacher
	Least     float64 `yaml:"guidance_min"`       // the teacher's scales of guidance, from which each example draws one
	Most      float64 `yaml:"guidance_max"`       // the same for a fixed one; 1: no guidance
	Embedding int     `yaml:"guidance_embedding"` // channels by which a student that is a model is told the scale; 0: it is not
	Grid      int     `yaml:"grid"`               // timesteps that the teacher's DDIM goes through
	Loss      string  `yaml:"loss"`               // huber (pseudo-Huber, arXiv 2310.14189) or l2
	HuberC    float64 `yaml:"huber_c"`            // its constant
}

// The kinds of students.
const (
	studentModel = "model"
	studentLoRA  = "lora"
)

// DefaultDistill holds what a configuration may leave out.
func DefaultDistill() DistillConfig {
	c := DistillConfig{
		Student: Student{Kind: studentModel, Least: 3, Most: 3, Grid: 50, Loss: "huber", HuberC: .001},
		LoRA:    lora.Factors{Rank: 64, Targets: lora.TargetConvolutions}, DType: "f32",
		Data: Data{Crop: cropCenter}, CacheMB: 2048, Train: defaultTuning().Train, Samples: Samples{Steps: 4},
	}
	c.Train.EMA, c.Train.BatchSize, c.Train.WeightDecay, c.Train.Warmup = .95, 16, 0, 50
	return c
}

func (c Student) validate(timesteps int) error {
	switch {
	case c.Kind != studentModel && c.Kind != studentLoRA:
		return fault.Inputf("student.kind is %q: want %s or %s", c.Kind, studentModel, studentLoRA)
	case !(c.Least >= 1 && c.Least <= c.Most) || math.IsInf(c.Most, 0):
		return fault.Inputf("student.guidance_min is %g and guidance_max %g: want two scales from 1 (none), the first not above the second", c.Least, c.Most)
	case c.Embedding < 0 || c.Embedding%2 != 0 || c.Embedding > 1<<14:
		return fault.Inputf("student.guidance_embedding is %d: want 0, or an even number of channels, usually 256", c.Embedding)
	case c.Embedding > 0 && c.Kind == studentLoRA:
		return fault.Inputf("student.guidance_embedding is %d: a LoRA cannot be told the scale of the guidance; want 0, or student.kind=%s", c.Embedding, studentModel)
	case c.Grid < 1 || c.Grid > timesteps:
		return fault.Inputf("student.grid is %d: want 1 to %d, usually 50", c.Grid, timesteps)
	case c.Loss != "huber" && c.Loss != "l2":
		return fault.Inputf("student.loss is %q: want huber or l2", c.Loss)
	case !(c.HuberC > 0) || math.IsInf(c.HuberC, 0):
		return fault.Inputf("student.huber_c is %g: want more than 0", c.HuberC)
	}
	return nil
}

// Distill trains a student, or goes on with it.
func Distill(ctx context.Context, cfg DistillConfig, run Run) error {
	before, err := run.open(kindStudent)
	if err != nil {
		return err
	}
	t := &distillation{student: cfg.Student, dtype: formats[cfg.DType]}
	if err := t.prepare(ctx, cfg, run); err != nil {
		return err
	}
	defer t.closeBase()
	cfg.Data, cfg.Train = t.cfg.Data, t.cfg.Train // with the defaults that the teacher gives
	return start(ctx, run, cfg, t.cfg.Train, t, t.vars, before)
}

// prepare reads the teacher and the pictures, and adds the student.
func (t *distillation) prepare(ctx context.Context, cfg DistillConfig, run Run) (err error) {
	if t.dtype == "" {
		return fault.Inputf("dtype is %q: want f32, f16 or bf16", cfg.DType)
	}
	if t.factors, err = cfg.LoRA.Resolve(); err != nil {
		return err
	}
	if err := t.open(ctx, Tuning{Base: cfg.Base, Data: cfg.Data, CacheMB: cfg.CacheMB, Train: cfg.Train, Samples: cfg.Samples}, run); err != nil {
		return err
	}
	if err := cfg.Student.validate(len(t.net.Schedule.Betas)); err != nil {
		return err
	}
	if err := t.checkTeacher(); err != nil {
		return err
	}
	t.digestConditioner()
	if err := t.setObjective(); err != nil {
		return err
	}
	return t.setStudent()
}

// distillation trains a student of the base.
type distillation struct {
	tuning
	student Student
	factors lora.Factors
	dtype   checkpoint.DType
	teacher *model.Network
}

// prefixTeacher is before the names of the teacher's weights in the graph of a student
// that is a model.
const prefixTeacher = "teacher"

func (t *distillation) guided() bool { return t.student.Most > 1 }

// checkTeacher refuses what cannot be distilled.
func (t *distillation) checkTeacher() error {
	switch {
	case t.net.UNet.NEmbed > 0:
		return fault.Unsupportedf("the base predicts codes, which are no latents: it has no consistency student")
	case t.guided() && t.net.Key != model.KeyCrossAttn:
		return fault.Unsupportedf("the base's conditioning key is %s: guidance is distilled of models with cross-attention alone; want student.guidance_min=1 student.guidance_max=1", t.net.Key)
	case t.guided() && t.net.TextLength() == 0 && t.net.Classes() == 0 || t.guided() && t.net.LayoutTokens():
		return fault.Unsupportedf("the base has no empty condition that guidance leads away from: want student.guidance_min=1 student.guidance_max=1")
	}
	return nil
}

// setStudent adds the student's weights.
func (t *distillation) setStudent() error {
	t.teacher = t.net
	t.sampled = ldm.Request{Sampler: sampler.Consistency(), Guidance: 1}
	if t.student.Embedding > 0 {
		t.sampled.Guidance = (t.student.Least + t.student.Most) / 2
	}
	if t.student.Kind == studentLoRA {
		t.adapter = t.factors.Adapter("", false)
		return nil
	}
	student := *t.net
	t.net = &student
	t.target.Params = maps.Clone(t.target.Params)
	if t.student.Embedding > 0 {
		unet := student.Params.UNet
		unet.Params = maps.Clone(unet.Params)
		unet.Params["time_cond_proj_dim"] = t.student.Embedding
		t.target.Params["unet_config"] = unet
		student.Params.UNet, student.UNet.TimeCondProjDim = unet, t.student.Embedding
	} else {
		t.target.Params["consistency"], student.Params.Consistency = true, true
	}
	specs, err := student.DiffusionParams()
	if err != nil {
		return err
	}
	for _, p := range specs {
		if !isUnder(p.Name, model.PrefixUNet) {
			continue
		}
		if v := t.vars[p.Name]; v != nil {
			t.vars[prefixTeacher+"."+p.Name] = v
			t.vars[p.Name] = v.Float32().Clone()
		} else { // of the guidance, which at first says nothing
			t.vars[p.Name] = tensor.New(p.Shape...)
		}
	}
	return nil
}

func (t *distillation) objectives() []Objective {
	return []Objective{{
		Build: t.build, Moves: t.moves, Optimizer: t.cfg.Train.Optimizer, Averaged: true, Fill: t.fill,
	}}
}

func (t *distillation) moves(name string) bool {
	if t.student.Kind == studentLoRA {
		return isUnder(name, lora.Prefix)
	}
	return isUnder(name, model.PrefixUNet)
}

// build is algorithm 1's loss: the student at the timestep t, against the average of
// the students before at the timestep u, to which the guided teacher went by a step of
// DDIM. The inputs beside "x" and "condition" are numbers of each example.
func (t *distillation) build(b nn.Builder) Loss {
	g, n := b.G, t.cfg.Train.BatchSize
	h, w, c := t.latents.shape()
	x := g.Input("x", n, h, w, c)
	from, to := timestepOf(g, "t", n), timestepOf(g, "u", n)
	rows := n
	if t.guided() {
		rows = 2 * n
	}
	conditions := t.condition.build(b, rows)
	mine := conditions
	if t.guided() {
		mine = []graph.Value{g.Slice(conditions[0], 0, 0, n)}
	}
	var told graph.Value
	if t.net.ToldGuidance() {
		told = g.Input("guidance", n, t.net.UNet.TimeCondProjDim)
	}
	there := t.lead(g, t.ask(b, x, from, rows, conditions), x, from, to)
	goal := t.clean(g, t.say(t.averaged(b), there, to, told, mine), there, to)
	said := t.clean(g, t.say(t.moving(b), x, from, told, mine), x, from)
	loss := t.distance(g, g.Sub(said, g.Detach(goal)))
	return Loss{Minimized: loss, Terms: []Term{{"loss", loss}}}
}

// timestep has the numbers of one: itself [n], and [n, 1, 1, 1] the coefficients of
// the clean latent and of the noise, and those of the boundary condition.
type timestep struct{ t, alpha, sigma, skip, out graph.Value }

// timestepOf declares a timestep's inputs: name, name.alpha and so on.
func timestepOf(g *graph.Graph, name string, n int) timestep {
	of := func(part string) graph.Value { return g.Input(name+"."+part, n, 1, 1, 1) }
	return timestep{g.Input(name, n), of("alpha"), of("sigma"), of("skip"), of("out")}
}

// ask is what the teacher says of x, guided where there is guidance.
func (t *distillation) ask(b nn.Builder, x graph.Value, p timestep, rows int, conditions []graph.Value) graph.Value {
	g, n := b.G, x.Dim(0)
	if t.student.Kind == studentModel {
		b = b.In(prefixTeacher)
	}
	if rows == n {
		return t.teacher.Denoise(b, t.teacher.Place(unet.Inputs{X: x, T: p.t}, conditions...))
	}
	y := t.teacher.Denoise(b, t.teacher.Place(unet.Inputs{X: g.Concat(0, x, x), T: g.Concat(0, p.t, p.t)}, conditions...))
	told, empty := g.Slice(y, 0, 0, n), g.Slice(y, 0, n, n)
	return g.Add(empty, g.Mul(g.Sub(told, empty), g.Input("scale", n, 1, 1, 1)))
}

// say is what a student says.
func (t *distillation) say(b nn.Builder, x graph.Value, p timestep, told graph.Value, conditions []graph.Value) graph.Value {
	return t.net.Denoise(b, t.net.Place(unet.Inputs{X: x, T: p.t, Guidance: told}, conditions...))
}

// moving is the builder of the student that learns.
func (t *distillation) moving(b nn.Builder) nn.Builder { return b.Adapted(t.adapter) }

// averaged is that of the moving average, or of the student itself where none is kept.
func (t *distillation) averaged(b nn.Builder) nn.Builder {
	switch {
	case t.cfg.Train.EMA == 0:
		return t.moving(b)
	case t.student.Kind == studentLoRA:
		return b.Adapted(t.factors.Adapter(emaShadow, false))
	}
	return b.In(emaShadow[:len(emaShadow)-1])
}

// split is the clean latent and the noise that a network's answer y about x means.
func (t *distillation) split(g *graph.Graph, y, x graph.Value, p timestep) (clean, noise graph.Value) {
	switch t.net.Schedule.Parameterization {
	case diffusion.V:
		return g.Sub(g.Mul(x, p.alpha), g.Mul(y, p.sigma)), g.Add(g.Mul(x, p.sigma), g.Mul(y, p.alpha))
	case diffusion.X0:
		return y, g.Div(g.Sub(x, g.Mul(y, p.alpha)), p.sigma)
	}
	return g.Div(g.Sub(x, g.Mul(y, p.sigma)), p.alpha), y
}

// lead is where a step of DDIM leads from one timestep to another.
func (t *distillation) lead(g *graph.Graph, y, x graph.Value, from, to timestep) graph.Value {
	clean, noise := t.split(g, y, x, from)
	return g.Add(g.Mul(clean, to.alpha), g.Mul(noise, to.sigma))
}

// clean is a consistency model's clean latent: x itself at timestep 0 (equation 9).
func (t *distillation) clean(g *graph.Graph, y, x graph.Value, p timestep) graph.Value {
	clean, _ := t.split(g, y, x, p)
	return g.Add(g.Mul(x, p.skip), g.Mul(clean, p.out))
}

// distance is the mean of √(d² + c²) - c, or of d².
func (t *distillation) distance(g *graph.Graph, d graph.Value) graph.Value {
	if d = g.Unary(graph.Square, d); t.student.Loss == "huber" {
		c := float32(t.student.HuberC)
		d = g.Affine(g.Unary(graph.Sqrt, g.Affine(d, 1, c*c)), 1, -c)
	}
	return g.ReduceAll(graph.ReduceMean, d)
}

// fill writes a batch: latents noised to timesteps of the teacher's grid.
func (t *distillation) fill(ctx context.Context, p engine.Program, batch int) error {
	from, picks := t.batch(batch)
	n, s := len(picks), t.net.Schedule
	for i, pick := range picks {
		number := uint64((batch-1)*n + i)
		e := example{from: from, pick: pick, seed: t.cfg.Train.Seed, at: number}
		h, w, c := from.shape()
		z, noise := make([]float32, h*w*c), make([]float32, h*w*c)
		if err := from.sample(ctx, z, &e.pick, tensor.NewStream(e.seed, drawPosterior, number)); err != nil {
			return err
		}
		for k := range z {
			z[k] *= t.net.ScaleFactor
		}
		draw := tensor.NewStream(e.seed, drawTimestep, number)
		stride := len(s.Betas) / t.student.Grid
		at := (1+draw.IntN(t.student.Grid))*stride - 1
		scale := t.student.Least + draw.Float64()*(t.student.Most-t.student.Least)
		tensor.NewStream(e.seed, drawNoise, number).Normal(noise)
		s.QSample(p.Input("x").Row(i).F32, z, noise, at)
		setPoint(p, "t", i, s, at)
		setPoint(p, "u", i, s, max(at-stride, 0))
		if in := p.Input("scale"); in != nil {
			in.F32[i] = float32(scale)
		}
		if in := p.Input("guidance"); in != nil {
			unet.GuidanceEmbedding(in.Row(i).F32, scale)
		}
		if err := t.condition.fill(ctx, p, i, e); err != nil {
			return err
		}
		if e.dropped = true; t.guided() {
			if err := t.condition.fill(ctx, p, n+i, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// setPoint writes the numbers of a timestep.
func setPoint(p engine.Program, name string, i int, s *diffusion.Schedule, t int) {
	bar := s.AlphasCumprod[t]
	skip, out := sampler.Boundary(float64(t))
	for part, v := range map[string]float64{"": float64(t), ".alpha": math.Sqrt(bar), ".sigma": math.Sqrt(1 - bar), ".skip": skip, ".out": out} {
		if in := p.Input(name + part); in != nil { // what the loss does not read is not there
			in.F32[i] = float32(v)
		}
	}
}

// export writes the student: a whole model, or a LoRA in the form of kohya-ss.
func (t *distillation) export(dir string) error {
	if t.student.Kind == studentModel {
		return t.exportAs(filepath.Join(dir, ModelFile), t.dtype)
	}
	return writeFactors(t.means, t.net, t.factors, filepath.Join(dir, LoRAFile), t.noted(), t.dtype)
}

// noted is the metadata of a LoRA.
func (t *distillation) noted() map[string]string {
	m := map[string]string{
		"ss_network_module": "networks.lora", "ss_network_dim": decimal(float64(t.factors.Rank)), "ss_network_alpha": decimal(t.factors.Alpha),
		"ss_base_model_version": baseVersion(t.net), "ss_sd_model_name": filepath.Base(t.text), "modelspec.architecture": architecture(t.net) + "/lora",
		"modelspec.title": "lcm-lora", "modelspec.description": "latent consistency distillation: 2 to 8 steps of LCM without guidance",
	}
	return m
}
