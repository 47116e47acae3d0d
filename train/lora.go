package train

import (
	"context"
	"path/filepath"

	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// LoRAFile is the result of a training of a LoRA.
const LoRAFile = "lora.safetensors"

// LoRAConfig configures the training of a LoRA (Hu et al., arXiv 2106.09685): factors
// of low rank beside the weights of a model, which stay as they are.
type LoRAConfig struct {
	Tuning `yaml:",inline"`
	LoRA   lora.Factors     `yaml:"lora"`
	Prior  Prior            `yaml:"prior"`
	DType  checkpoint.DType `yaml:"dtype"` // of the file: f32, f16 or bf16
}

// DefaultLoRA holds what a configuration may leave out.
func DefaultLoRA() LoRAConfig {
	return LoRAConfig{Tuning: defaultTuning(), LoRA: lora.DefaultFactors(), Prior: DefaultPrior(), DType: "f32"}
}

// LoRA trains one, or goes on with it.
func LoRA(ctx context.Context, cfg LoRAConfig, run Run) (err error) {
	t := &lowRank{dtype: formats[cfg.DType]}
	if t.dtype == "" {
		return fault.Inputf("dtype is %q: want f32, f16 or bf16", cfg.DType)
	}
	if t.factors, err = cfg.LoRA.Resolve(); err != nil {
		return err
	}
	before, err := run.open(kindLoRA)
	if err != nil {
		return err
	}
	if err := t.open(ctx, cfg.Tuning, run); err != nil {
		return err
	}
	defer t.closeBase()
	if t.factors.TextEncoder && t.net.TextLength() == 0 {
		return fault.Inputf("lora.text_encoder is true, but the base takes no texts")
	}
	if err := t.openPrior(ctx, cfg.Prior, func() (*modelfile.File, error) { return cfg.openBase(run) }); err != nil {
		return err
	}
	if t.prior.from != nil {
		if err := t.setBuckets(cfg.Buckets, t.prior.from.feed); err != nil {
			return err
		}
	}
	t.trainsConditioner = t.factors.TextEncoder
	if !t.trainsConditioner {
		t.digestConditioner()
	}
	t.adapter = t.factors.Adapter("", false)
	if err := t.setObjective(); err != nil {
		return err
	}
	if t.noted, err = t.notes(cfg); err != nil {
		return err
	}
	cfg.Data, cfg.Train = t.cfg.Data, t.cfg.Train // with the defaults that the base gives
	return start(ctx, run, cfg, t.cfg.Train, t, t.vars, before)
}

// formats are the number formats of files, by their names in configurations.
var formats = map[checkpoint.DType]checkpoint.DType{"f32": checkpoint.F32, "f16": checkpoint.F16, "bf16": checkpoint.BF16}

// lowRank trains the factors of a LoRA.
type lowRank struct {
	tuning
	factors lora.Factors
	dtype   checkpoint.DType
	noted   map[string]string // the metadata of the file
}

func (t *lowRank) objectives() []Objective {
	return t.objectivesOf(Objective{
		Moves:     func(name string) bool { return isUnder(name, lora.Prefix) },
		Optimizer: t.cfg.Train.Optimizer, Averaged: true, Fill: t.fill,
	}, func(d *denoising) func(b nn.Builder) Loss {
		return func(b nn.Builder) Loss {
			return d.build(b.Adapted(t.factors.Adapter("", true)), t.cfg.Train.BatchSize)
		}
	})
}

// fill writes a batch, and what the step leaves out between the factors.
func (t *lowRank) fill(ctx context.Context, p engine.Program, batch int) error {
	if t.factors.Dropout > 0 {
		for k, module := range t.modules() {
			if mask := p.Input(lora.MaskOf(module)); mask != nil {
				drop(mask.F32, t.factors.Dropout, tensor.NewStream(t.cfg.Train.Seed, drawMask, uint64(batch), uint64(k)))
			}
		}
	}
	return t.secondStage.fill(ctx, p, batch)
}

// drop fills a mask with zeros for that share of the numbers, and with what keeps the
// mean for the others.
func drop(mask []float32, share float64, s tensor.Stream) {
	s.Uniform(mask, 0, 1)
	for i, u := range mask {
		if mask[i] = float32(1 / (1 - share)); float64(u) < share {
			mask[i] = 0
		}
	}
}

// modules lists what has factors.
func (t *lowRank) modules() []string { return lora.Modules(t.means.Names()) }

// export writes the LoRA in the form of kohya-ss.
func (t *lowRank) export(dir string) error {
	return writeFactors(t.means, t.net, t.factors, filepath.Join(dir, LoRAFile), t.noted, t.dtype)
}

// writeFactors writes the factors among weights as a LoRA.
func writeFactors(w engine.Weights, net *model.Network, f lora.Factors, path string, notes map[string]string, d checkpoint.DType) error {
	var names []string
	for _, name := range w.Names() {
		if isUnder(name, lora.Prefix) {
			names = append(names, name)
		}
	}
	vars, err := w.Pull(names...)
	if err != nil {
		return err
	}
	params, err := net.AllParams()
	if err != nil {
		return err
	}
	return f.Write(context.Background(), path, lora.NewBase(params, net.UNet), vars, notes, d)
}
