package train

import (
	"context"
	"fmt"
	"image"
	"math"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// DiffusionConfig configures the training of a denoiser and its conditioner.
type DiffusionConfig struct {
	Model      config.Target `yaml:"model"`
	FirstStage string        `yaml:"first_stage"` // model file of a trained first stage
	Init       string        `yaml:"init"`        // model file of the same structure whose weights a new run begins with
	Data       Data          `yaml:"data"`
	Dropout    float64       `yaml:"dropout"`       // share of captions or labels replaced by the empty one, for guidance
	MinSNR     float64       `yaml:"min_snr_gamma"` // 0: timesteps are drawn evenly; see diffusion.NewTimesteps
	Train      Loop          `yaml:"train"`
	Samples    Samples       `yaml:"samples"`
}

// Samples configures the pictures drawn while training.
type Samples struct {
	Prompts []string `yaml:"prompts"`
	Steps   int      `yaml:"steps"`
	Scale   float64  `yaml:"scale"`
}

// DefaultDiffusion holds what a configuration may leave out.
func DefaultDiffusion() DiffusionConfig {
	c := DiffusionConfig{Dropout: .1, Train: DefaultLoop(), Data: Data{Size: 64, Flip: true}, Samples: Samples{Steps: 25, Scale: 3}}
	c.Train.EMA, c.Train.WeightDecay = .9999, .01
	return c
}

// secondStage trains a denoiser and its conditioner on latents.
type secondStage struct {
	net     *model.Network
	target  config.Target
	cfg     DiffusionConfig
	vars    engine.Vars
	specs   []nn.ParamSpec
	tok     token.Tokenizer
	loader  *data.Loader
	latents *latents
	valid   *latents // none without a validation folder
	scale   float32
	times   diffusion.Timesteps
	means   engine.Weights // the averaged ones
	model   *ldm.Model     // with these
	engine  engine.Engine
	loss    engine.Program // of validation
}

// Diffusion trains the second stage in folder dir, or goes on with it.
func Diffusion(ctx context.Context, cfg DiffusionConfig, dir string, eng engine.Engine, line func(string)) error {
	if err := cfg.Train.validate(); err != nil {
		return err
	}
	if cfg.Dropout < 0 || cfg.Dropout > 1 {
		return fmt.Errorf("dropout is %g: want 0 to 1", cfg.Dropout)
	}
	s := &secondStage{cfg: cfg, target: cfg.Model, engine: eng}
	train, valid, err := cfg.Data.open()
	if err != nil {
		return err
	}
	s.loader = &data.Loader{Set: train, Batch: cfg.Train.BatchSize, Seed: cfg.Train.Seed, Mirror: cfg.Data.Flip}
	if err := s.assemble(ctx, train, valid); err != nil {
		return err
	}
	return start(ctx, dir, s.cfg, &loop{cfg: cfg.Train, stage: s, vars: s.vars}, eng, line)
}

// assemble joins the trained first stage, the tokenizer or the classes of the
// data, and the new networks.
func (s *secondStage) assemble(ctx context.Context, train, valid *data.Set) error {
	if s.cfg.FirstStage == "" {
		return fmt.Errorf("first_stage is empty: name the model file of a trained first stage")
	}
	stageConfig, stageVars, err := readFirstStage(s.cfg.FirstStage)
	if err != nil {
		return err
	}
	if err := s.completeTarget(stageConfig, train); err != nil {
		return err
	}
	if s.net, err = model.New(s.target); err != nil {
		return err
	}
	if s.specs, err = s.net.DiffusionParams(); err != nil {
		return err
	}
	if s.times, err = diffusion.NewTimesteps(s.net.Schedule, s.cfg.MinSNR); err != nil {
		return fmt.Errorf("min_snr_gamma: %w", err)
	}
	s.vars = nn.Initialize(s.specs, s.cfg.Train.Seed)
	for name, t := range stageVars {
		s.vars[model.PrefixFirstStage+"."+name] = t
	}
	frozen, err := s.engine.Load(stageVars, engine.LoadOptions{})
	if err != nil {
		return err
	}
	stage := ldm.NewFirstStage(stageConfig, frozen, ldm.Options{Engine: s.engine})
	s.latents = newLatents(stage, train)
	if valid != nil {
		s.valid = newLatents(stage, valid)
	}
	s.scale = s.net.ScaleFactor
	if s.cfg.Init != "" {
		return s.initialize()
	}
	if s.net.Params.ScaleByStd {
		std, err := s.latents.std(ctx, s.cfg.Train.Seed)
		if err != nil {
			return err
		}
		s.scale = float32(1 / std)
		s.net.ScaleFactor = s.scale
	}
	return nil
}

// readFirstStage reads a first stage from its file, or from a whole model's.
func readFirstStage(path string) (autoencoder.Config, engine.Vars, error) {
	f, err := modelfile.Open(path, modelfile.Options{})
	if err != nil {
		return autoencoder.Config{}, nil, err
	}
	defer f.Close()
	return f.FirstStage()
}

// initialize replaces the weights, the scale of the latents and the tokenizer by
// those of a trained model.
func (s *secondStage) initialize() error {
	m, err := ldm.Open(s.cfg.Init, ldm.Options{Engine: s.engine})
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.CopyWeights(s.vars, s.specs); err != nil {
		return fmt.Errorf("init: %s: %w", s.cfg.Init, err)
	}
	s.tok = m.Tokenizer()
	s.scale = m.Network().ScaleFactor
	s.net.ScaleFactor = s.scale
	return nil
}

// completeTarget puts into the model's configuration what follows from the
// data and the first stage.
func (s *secondStage) completeTarget(stage any, train *data.Set) error {
	p := s.target.Params
	if p == nil {
		return fmt.Errorf("model.params is empty")
	}
	var first map[string]any
	text, err := config.Dump(stage)
	if err != nil {
		return err
	}
	if err := config.Parse(&first, "first stage", []byte(text), nil); err != nil {
		return err
	}
	p["first_stage_config"] = map[string]any{"target": config.TargetAutoencoderKL, "params": first}
	cond, _ := p["cond_stage_config"].(map[string]any)
	params, _ := cond["params"].(map[string]any)
	switch cond["target"] {
	case config.TargetTransformer:
		var captions []string
		for _, item := range train.Items {
			captions = append(captions, item.Texts...)
		}
		size, _ := params["vocab_size"].(uint64)
		vocab := token.BuildVocab(captions, int(size))
		params["vocab_size"] = len(vocab)
		s.tok, err = token.NewWordPiece(vocab)
	case config.TargetClassEmbedder:
		if len(train.Classes) == 0 {
			return fmt.Errorf("%s has no class folders, which the class embedder needs", s.cfg.Data.Train)
		}
		params["n_classes"] = len(train.Classes) + 1 // the last is the empty class
	}
	return err
}

func (s *secondStage) weights() []nn.ParamSpec { return s.specs }

// build adds the objective: ||ε - ε_θ(z_t, t, τ(y))||² (equation 3).
func (s *secondStage) build(g *graph.Graph) []term {
	return []term{{"loss", s.objective(g, s.cfg.Train.BatchSize)}}
}

func (s *secondStage) objective(g *graph.Graph, n int) graph.Value {
	b := nn.NewBuilder(g)
	side := s.cfg.Data.Size / s.net.FirstStage.Factor()
	c := s.net.FirstStage.LatentChannels()
	x := g.Input("x", n, side, side, c)
	predicted := s.net.Denoise(b, x, g.Input("t", n), s.net.Condition(b, n, s.net.TextLength()))
	target := g.Input("target", n, side, side, c)
	if s.net.Params.LossType == diffusion.L1 {
		return g.L1(predicted, target)
	}
	return g.L2(predicted, target)
}

func (s *secondStage) fill(ctx context.Context, p engine.Program, n int) error {
	for i, pick := range s.loader.Picks(n - 1) {
		at := uint64((n-1)*s.cfg.Train.BatchSize + i)
		if tensor.NewStream(s.cfg.Train.Seed, drawDropout, at).Float64() < s.cfg.Dropout {
			pick.Text = ""
			s.fillLabel(p, i, len(s.loader.Set.Classes))
		} else {
			s.fillLabel(p, i, s.loader.Set.Items[pick.Index].Class)
		}
		if err := s.example(ctx, p, s.latents, i, pick, s.times, s.cfg.Train.Seed, at); err != nil {
			return err
		}
	}
	return nil
}

func (s *secondStage) fillLabel(p engine.Program, i, class int) {
	if labels := p.Input("labels"); labels != nil {
		labels.I32[i] = int32(class)
	}
}

// example writes place i of a batch: a latent drawn from the posterior, noised
// to a random timestep, its noise (or itself) as target, its caption.
func (s *secondStage) example(ctx context.Context, p engine.Program, from *latents, i int, pick data.Pick, times diffusion.Timesteps, seed, at uint64) error {
	if s.tok != nil {
		l := s.net.TextLength()
		s.tok.Encode(pick.Text, p.Input("tokens").I32[i*l:(i+1)*l])
	}
	x, target := p.Input("x").Row(i).F32, p.Input("target").Row(i).F32
	z := make([]float32, len(x))
	if err := from.sample(ctx, z, pick, tensor.NewStream(seed, drawPosterior, at)); err != nil {
		return err
	}
	for k := range z {
		z[k] *= s.scale
	}
	t := times.At(tensor.NewStream(seed, drawTimestep, at).Float64())
	p.Input("t").F32[i] = float32(t)
	noise := make([]float32, len(z))
	tensor.NewStream(seed, drawNoise, at).Normal(noise)
	s.net.Schedule.QSample(x, z, noise, t)
	s.net.Schedule.Target(target, z, noise, t)
	return nil
}

// validate is the objective on held-out pictures with the averaged weights and
// the same timesteps and noises at every time.
func (s *secondStage) validate(ctx context.Context) ([]scalar, error) {
	if s.valid == nil {
		return nil, nil
	}
	n := min(s.cfg.Train.BatchSize, s.valid.set.Len())
	if s.loss == nil {
		g := graph.New()
		v := s.objective(g, n)
		var err error
		if s.loss, err = s.engine.Compile(g, []graph.Value{v}, s.means, engine.Options{Precision: s.cfg.Train.Precision}); err != nil {
			return nil, err
		}
	}
	even, err := diffusion.NewTimesteps(s.net.Schedule, 0)
	if err != nil {
		return nil, err
	}
	const rounds = 8
	var sum float64
	for r := range rounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for i := range n {
			item := s.valid.set.Items[i]
			s.fillLabel(s.loss, i, item.Class)
			pick := data.Pick{Index: i}
			if len(item.Texts) > 0 {
				pick.Text = item.Texts[0]
			}
			if err := s.example(ctx, s.loss, s.valid, i, pick, even, drawValidation, uint64(r*n+i)); err != nil {
				return nil, err
			}
		}
		if err := s.loss.Run(ctx); err != nil {
			return nil, err
		}
		sum += float64(s.loss.Output(0).F32[0])
	}
	return []scalar{{"loss", sum / rounds}}, nil
}

// loaded makes the whole model with the averaged weights.
func (s *secondStage) loaded(w engine.Weights) (err error) {
	if s.means, err = averaged(w); err != nil {
		return err
	}
	s.vars = nil
	s.model = ldm.New(s.net, s.target, s.tok, s.means, ldm.Options{Engine: s.engine, Precision: s.cfg.Train.Precision})
	return nil
}

// pictures samples the configured prompts, or the first captions or classes.
func (s *secondStage) pictures(ctx context.Context) (image.Image, error) {
	request := ldm.Request{Steps: s.cfg.Samples.Steps, Guidance: s.cfg.Samples.Scale}
	count := mostSamples
	switch prompts := s.cfg.Samples.Prompts; {
	case s.net.Text != nil:
		for i := 0; len(prompts) < 8 && i < min(8, s.loader.Set.Len()); i++ {
			prompts = append(prompts, s.loader.Set.Items[i*s.loader.Set.Len()/8].Texts[0])
		}
		count = min(len(prompts), mostSamples)
		request.Condition = each(count, func(i int) ldm.Condition { return ldm.Prompt(prompts[i]) })
	case s.net.Classes() > 0:
		request.Condition = each(count, func(i int) ldm.Condition { return ldm.Class(i % max(len(s.loader.Set.Classes), 1)) })
	}
	request.Seeds = ldm.Seeds(1, count)
	out, err := s.model.Generate(ctx, request)
	if err != nil {
		return nil, err
	}
	return data.Grid(out.Pixels, int(math.Ceil(math.Sqrt(float64(count))))), nil
}

// mostSamples bounds the pictures that are drawn while training.
const mostSamples = 16

func each(n int, condition func(i int) ldm.Condition) ldm.Each {
	all := make(ldm.Each, n)
	for i := range all {
		all[i] = condition(i)
	}
	return all
}

func (s *secondStage) export(path string) error {
	return s.model.Save(path, checkpoint.F32)
}
