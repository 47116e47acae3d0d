package train

import (
	"context"
	"fmt"
	"image"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/metric"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/perceptual"
	"github.com/ldm-go/ldm/tensor"
)

// AutoencoderConfig configures the training of a first stage.
type AutoencoderConfig struct {
	Model config.Target      `yaml:"model"`
	Data  Data               `yaml:"data"`
	Loss  ReconstructionLoss `yaml:"loss"`
	Train Loop               `yaml:"train"`
}

// DefaultAutoencoder holds what a configuration may leave out.
func DefaultAutoencoder() AutoencoderConfig {
	return AutoencoderConfig{Loss: ReconstructionLoss{L1: 1, Perceptual: .1, KL: 1e-6}, Train: DefaultLoop(), Data: Data{Size: 64, Flip: true}}
}

// Data configures the pictures.
type Data struct {
	Train      string `yaml:"train"`      // folder
	Validation string `yaml:"validation"` // folder; none: no validation
	Size       int    `yaml:"size"`       // pixels of a side
	Flip       bool   `yaml:"flip"`       // mirror half of the pictures
}

// ReconstructionLoss weighs the terms of the first stage's objective
// (section G of the paper's supplement, without the adversarial part).
type ReconstructionLoss struct {
	L1         float64 `yaml:"l1"`         // mean absolute error of the pixels
	L2         float64 `yaml:"l2"`         // mean squared error of the pixels
	Perceptual float64 `yaml:"perceptual"` // LPIPS (squeeze)
	KL         float64 `yaml:"kl"`         // divergence from N(0, 1): sum over a latent, mean over the batch
}

// Autoencoder trains a first stage in folder dir, or goes on with it.
func Autoencoder(ctx context.Context, cfg AutoencoderConfig, dir string, eng engine.Engine, line func(string)) error {
	if err := cfg.Train.validate(); err != nil {
		return err
	}
	s := &firstStage{loss: cfg.Loss, loop: cfg.Train, size: cfg.Data.Size, engine: eng}
	if cfg.Model.Target != config.TargetAutoencoderKL {
		return fmt.Errorf("model.target is %q: want %s", cfg.Model.Target, config.TargetAutoencoderKL)
	}
	if err := cfg.Model.Decode(&s.model); err != nil {
		return err
	}
	if err := s.model.Validate(); err != nil {
		return err
	}
	if f := s.model.Factor(); s.size%f != 0 {
		return fmt.Errorf("data.size is %d: want a multiple of %d", s.size, f)
	}
	if s.loss.Perceptual > 0 && s.size < perceptual.Squeeze.MinSize() {
		return fmt.Errorf("data.size is %d: the perceptual term wants at least %d (or loss.perceptual=0)", s.size, perceptual.Squeeze.MinSize())
	}
	train, valid, err := cfg.Data.open()
	if err != nil {
		return err
	}
	s.valid = valid
	s.loader = &data.Loader{Set: train, Batch: cfg.Train.BatchSize, Seed: cfg.Train.Seed, Mirror: cfg.Data.Flip}
	if err := s.initialize(); err != nil {
		return err
	}
	return start(ctx, dir, cfg, &loop{cfg: cfg.Train, stage: s, vars: s.vars}, eng, line)
}

func (d Data) open() (train, valid *data.Set, err error) {
	if d.Train == "" {
		return nil, nil, fmt.Errorf("data.train is empty: name a folder of pictures")
	}
	if train, err = data.Open(d.Train, d.Size); err != nil {
		return nil, nil, err
	}
	if d.Validation != "" {
		valid, err = data.Open(d.Validation, d.Size)
	}
	return train, valid, err
}

// firstStage trains an AutoencoderKL.
type firstStage struct {
	model  autoencoder.Config
	loss   ReconstructionLoss
	loop   Loop
	size   int
	vars   engine.Vars
	specs  []nn.ParamSpec
	loader *data.Loader
	valid  *data.Set
	means  engine.Weights // the averaged ones
	eval   *ldm.FirstStage
	engine engine.Engine
}

// initialize draws the weights, and loads those of the perceptual term.
func (s *firstStage) initialize() error {
	g := graph.New()
	s.build(g)
	if err := g.Err(); err != nil {
		return err
	}
	s.vars = nn.Initialize(s.specs, s.loop.Seed)
	lpips, err := perceptual.Vars()
	for name, v := range lpips {
		s.vars[perceptualPrefix+"."+name] = v
	}
	return err
}

// perceptualPrefix begins the names of the perceptual term's weights in a graph.
const perceptualPrefix = "perceptual"

func (s *firstStage) weights() []nn.ParamSpec { return s.specs }

// build adds the objective: |x - D(z)| + distance + KL with z drawn from the posterior.
func (s *firstStage) build(g *graph.Graph) []term {
	b := nn.NewBuilder(g)
	n, latent := s.loop.BatchSize, s.size/s.model.Factor()
	x := g.Input("x", n, s.size, s.size, s.model.DD.InChannels)
	posterior := autoencoder.NewGaussian(g, s.model.Encode(b, x))
	z := posterior.Sample(g, g.Input("noise", n, latent, latent, s.model.EmbedDim))
	y := s.model.Decode(b, z)
	s.specs = b.Params()

	difference := g.Sub(y, x)
	terms := []term{{"loss", graph.Value{}}}
	var total graph.Value
	add := func(name string, weight float64, v graph.Value) {
		terms = append(terms, term{name, v})
		v = g.Affine(v, float32(weight), 0)
		if total.Valid() {
			v = g.Add(total, v)
		}
		total = v
	}
	add("kl", s.loss.KL, g.ReduceAll(graph.ReduceMean, posterior.KL(g)))
	if s.loss.L1 > 0 {
		add("l1", s.loss.L1, g.ReduceAll(graph.ReduceMean, g.Unary(graph.Abs, difference)))
	}
	if s.loss.L2 > 0 {
		add("l2", s.loss.L2, g.ReduceAll(graph.ReduceMean, g.Unary(graph.Square, difference)))
	}
	if s.loss.Perceptual > 0 {
		lpips := nn.NewBuilder(g).In(perceptualPrefix)
		add("lpips_squeeze", s.loss.Perceptual, g.ReduceAll(graph.ReduceMean, perceptual.Squeeze.Distances(lpips, x, y)))
	}
	terms[0].value = total
	return terms
}

func (s *firstStage) fill(_ context.Context, p engine.Program, n int) error {
	tensor.NewStream(s.loop.Seed, drawPosterior, uint64(n)).Normal(p.Input("noise").F32)
	return s.loader.Images(p.Input("x").F32, n-1)
}

// loaded makes the autoencoder with the averaged weights.
func (s *firstStage) loaded(w engine.Weights) (err error) {
	if s.means, err = averaged(w); err != nil {
		return err
	}
	s.vars = nil
	s.eval = ldm.NewFirstStage(s.model, s.means, ldm.Options{Engine: s.engine, Precision: s.loop.Precision})
	return nil
}

// validate reconstructs the held-out pictures from the posterior's mean.
func (s *firstStage) validate(ctx context.Context) ([]scalar, error) {
	if s.valid == nil {
		return nil, nil
	}
	var sum float64
	for i := range s.valid.Len() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x, err := s.valid.Image(i)
		if err != nil {
			return nil, err
		}
		y, err := s.eval.Reconstruct(ctx, x)
		if err != nil {
			return nil, err
		}
		sum += metric.PSNR(x.F32, y.F32)
	}
	return []scalar{{"psnr", sum / float64(s.valid.Len())}}, nil
}

// pictures shows held-out pictures (or training ones) above their reconstructions.
func (s *firstStage) pictures(ctx context.Context) (image.Image, error) {
	const columns = 8
	set := s.valid
	if set == nil {
		set = s.loader.Set
	}
	n := min(columns, set.Len())
	shown := tensor.New(2*n, s.size, s.size, s.model.DD.InChannels)
	for i := range n {
		x, err := set.Image(i * set.Len() / n)
		if err != nil {
			return nil, err
		}
		y, err := s.eval.Reconstruct(ctx, x)
		if err != nil {
			return nil, err
		}
		copy(shown.Row(i).F32, x.F32)
		copy(shown.Row(n+i).F32, y.F32)
	}
	return data.Grid(shown, n), nil
}

func (s *firstStage) export(path string) error {
	vars, err := s.means.Pull()
	if err != nil {
		return err
	}
	return modelfile.SaveFirstStage(path, s.model, vars, checkpoint.F32)
}
