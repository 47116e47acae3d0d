package train

import (
	"context"
	"math"

	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/fault"
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
	Bound     bool    `yaml:"bound"`              // a LoRA is refused on any other model than its teacher
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
	case c.Bound && c.Kind != studentLoRA:
		return fault.Inputf("student.bound is true: a student that is a model lies on no other; want student.kind=%s", studentLoRA)
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
