package train

import (
	"context"
	"fmt"
	"image"
	"path/filepath"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/discriminator"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/perceptual"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// AutoencoderConfig configures the training of a first stage.
type AutoencoderConfig struct {
	Model    config.Target  `yaml:"model"`
	Init     string         `yaml:"init"` // model file whose first stage a new run begins with
	Tune     string         `yaml:"tune"` // all, or decoder: the encoder and the latent space stay
	Data     Data           `yaml:"data"`
	Buckets  float64        `yaml:"buckets,omitempty"` // pictures keep their proportions, up to so much to 1; 0: all are squares
	Loss     FirstStageLoss `yaml:"loss"`              // a lossconfig of the reference, under model.params, stands for it
	Codebook Codebook       `yaml:"codebook"`
	Train    Loop           `yaml:"train"`
}

// DefaultAutoencoder holds what a configuration may leave out.
func DefaultAutoencoder() AutoencoderConfig {
	return AutoencoderConfig{
		Tune: tuneAll, Loss: defaultFirstStageLoss(), Codebook: Codebook{Start: codebookKMeans, RestartEvery: 200},
		Train: DefaultLoop(), Data: DefaultData(),
	}
}

// Autoencoder trains a first stage, or goes on with it.
func Autoencoder(ctx context.Context, cfg AutoencoderConfig, run Run) error {
	var err error
	if cfg.Train, err = cfg.Train.sharedBy(run.Hosts); err != nil {
		return err
	}
	s, err := newFirstStage(cfg, run)
	if err != nil {
		return err
	}
	before, err := run.open(kindAutoencoder)
	if err != nil {
		return err
	}
	if err := s.openData(ctx, cfg.Data, run); err != nil {
		return err
	}
	if err := s.initialize(before == nil); err != nil {
		return err
	}
	return start(ctx, run, cfg, s.loop, s, s.vars, before)
}

// firstStage trains a KL or VQ first stage.
type firstStage struct {
	reconstruction
	cfg   AutoencoderConfig
	loop  Loop
	run   Run
	vars  engine.Vars
	train *feed
	valid *feed
	known facts
	means engine.Weights  // the averaged ones
	eval  *ldm.FirstStage // with these
	codes codes
	watch warnings
}

// newFirstStage checks a configuration.
func newFirstStage(cfg AutoencoderConfig, run Run) (*firstStage, error) {
	if cfg.Model.Target != config.TargetAutoencoderKL && cfg.Model.Target != config.TargetVQModel {
		return nil, fault.Inputf("model.target is %q: want %s or %s", cfg.Model.Target, config.TargetAutoencoderKL, config.TargetVQModel)
	}
	stage, err := model.DecodeStage(cfg.Model)
	if err != nil {
		return nil, fault.As(fault.Input, err)
	}
	if err := cfg.Model.Decode(&stage); err != nil { // with the keys that are of training
		return nil, fault.As(fault.Input, err)
	}
	s := &firstStage{cfg: cfg, loop: cfg.Train, run: run, vars: engine.Vars{}}
	s.model, s.loss, s.tune, s.n = stage, cfg.Loss, cfg.Tune, cfg.Train.BatchSize
	s.shape = image.Pt(cfg.Data.Size, cfg.Data.Size)
	if s.cfg.Init == "" {
		s.cfg.Init = stage.CkptPath
	}
	if stage.Kind == autoencoder.VQ {
		s.codes.counts = tensor.New(stage.NEmbed)
		if err := s.readRemap(); err != nil {
			return nil, err
		}
	}
	if err := s.takeLossConfig(); err != nil {
		return nil, err
	}
	if err := s.takeModelKeys(); err != nil {
		return nil, err
	}
	for _, err := range []error{s.loop.validate(), s.loss.validate(), cfg.Codebook.validate(), cfg.Data.validate()} {
		if err != nil {
			return nil, err
		}
	}
	return s, s.checkSizes()
}

// takeLossConfig takes the loss from the reference's lossconfig, where the YAML has one.
func (s *firstStage) takeLossConfig() error {
	loss, has, err := fromReference(s.model)
	if err != nil || !has {
		return err
	}
	plain := s.cfg.Loss
	plain.LPIPS = nil
	if !plain.equal(defaultFirstStageLoss()) {
		return fault.Inputf("model.params.lossconfig and loss are both given: want one of them")
	}
	loss.LPIPS = s.cfg.Loss.LPIPS
	s.loss = loss
	if loss.Perceptual > 0 && len(loss.LPIPS) == 0 {
		s.run.line("the perceptual term is %s, which is in the program; loss.lpips takes the weights of %s", perceptual.Squeeze, perceptual.VGG)
	}
	return nil
}

// takeModelKeys honours the keys of the reference's models that are of training.
func (s *firstStage) takeModelKeys() error {
	m := s.model
	switch {
	case m.BatchResizeRange != nil:
		return fault.Inputf("model.params.batch_resize_range is not supported: remove it")
	case m.ImageKey != "" && m.ImageKey != "image":
		return fault.Inputf("model.params.image_key is %q: want image", m.ImageKey)
	case m.ColorMap != nil:
		return fault.Inputf("model.params.colorize_nlabels is not supported: pictures are RGB")
	case m.LRGFactor < 0:
		return fault.Inputf("model.params.lr_g_factor is %g: want more than 0", m.LRGFactor)
	case m.UseEMA && s.loop.EMA == 0:
		s.loop.EMA = .9999 // the reference's decay
	}
	var err error
	if s.loop, err = s.loop.withBase(s.cfg.Model, m.SchedulerConfig); err != nil {
		return err
	}
	if a := &s.loss.Adversary; a.LearningRate == 0 {
		a.LearningRate = s.loop.LearningRate
	}
	if m.LRGFactor > 0 {
		s.loop.LearningRate *= Rate(m.LRGFactor)
	}
	return nil
}

// checkSizes wants pictures that fit the networks.
func (s *firstStage) checkSizes() error {
	size := s.cfg.Data.Size
	switch f := s.model.Factor(); {
	case s.tune != tuneAll && s.tune != tuneDecoder:
		return fault.Inputf("tune is %q: want %s or %s", s.tune, tuneAll, tuneDecoder)
	case s.tune == tuneDecoder && s.cfg.Init == "":
		return fault.Inputf("tune is %s, but init names no model whose encoder it would follow", tuneDecoder)
	case size%f != 0:
		return fault.Inputf("data.size is %d: want a multiple of %d", size, f)
	case s.model.DD.InChannels != 3 || s.model.DD.OutCh != 3:
		return fault.Inputf("in_channels %d and out_ch %d: want 3, the pictures are RGB", s.model.DD.InChannels, s.model.DD.OutCh)
	}
	return s.checkSide(size, fmt.Sprintf("data.size is %d", size))
}

// checkSide wants pictures that are large enough for the networks of the loss.
func (s *firstStage) checkSide(side int, cause string) error {
	net, a := s.distanceNet(), s.loss.Adversary
	switch {
	case s.loss.Perceptual > 0 && side < net.MinSize():
		return fault.Inputf("%s, with sides of %d: the perceptual term wants at least %d (or loss.perceptual=0)", cause, side, net.MinSize())
	case a.Weight > 0 && side < a.network().MinSize():
		return fault.Inputf("%s, with sides of %d: a discriminator of %d layers wants at least %d", cause, side, a.Layers, a.network().MinSize())
	}
	return nil
}

func (s *firstStage) openData(ctx context.Context, d Data, run Run) (err error) {
	if s.train, s.valid, err = d.open(ctx, s.loop, run, false, nil); err != nil {
		return err
	}
	if err := s.setBuckets(); err != nil {
		return err
	}
	s.known = facts{kind: kindAutoencoder, count: s.train.Set.Len()}
	s.known.pictures, _ = digestOfSet(d.Train, s.train.Set)
	s.known.pixels = s.train.Set.Pixels()
	s.watch.setSize(run, s.train.Set.Len(), s.model)
	return nil
}

// objectives lists the reconstruction's and, with one, the discriminator's, for each
// shape of a batch.
func (s *firstStage) objectives() []Objective {
	return inTurns(s.train, s.loop, s.shapes(), s.objectivesOf)
}

// objectivesOf are those of batches of one shape.
func (s *firstStage) objectivesOf(shape image.Point) []Objective {
	r, a := s.reconstruction, s.loss.Adversary
	if shape != (image.Point{}) {
		r.shape = shape
	}
	main := Objective{Build: r.build, Moves: r.moves, Optimizer: s.loop.Optimizer, Averaged: true, Fill: s.filler(drawPosterior)}
	if s.model.Kind == autoencoder.VQ {
		main.Watch = s.watchCodes
	}
	if a.Weight == 0 {
		return []Objective{main}
	}
	against := main
	main.End = a.Start
	against.Build, against.Begin = r.adversarial, a.Start
	judge := Objective{
		Name: "disc_", Build: r.judge, Moves: func(name string) bool { return isUnder(name, discriminator.Prefix) && !nn.IsStatistic(name) },
		Optimizer: a.Optimizer, Begin: a.Start, Fill: s.filler(drawJudged),
	}
	if a.Start == 0 {
		return []Objective{against, judge}
	}
	return []Objective{main, against, judge}
}

// filler writes pictures and the posterior's noise.
func (s *firstStage) filler(purpose uint64) func(context.Context, engine.Program, int) error {
	return func(_ context.Context, p engine.Program, batch int) error {
		if noise := p.Input("noise"); noise != nil {
			tensor.NewStream(s.loop.Seed, purpose, uint64(batch)).Normal(noise.F32)
		}
		return s.train.images(p.Input("x").F32, batch-1)
	}
}

func (s *firstStage) close() {}

func (s *firstStage) facts() facts { return s.known }

func (s *firstStage) export(dir string) error {
	vars, err := s.means.Pull()
	if err != nil {
		return err
	}
	return modelfile.SaveFirstStage(context.Background(), filepath.Join(dir, ModelFile), s.model, vars, checkpoint.F32)
}

// loaded makes the autoencoder with the averaged weights.
func (s *firstStage) loaded(w engine.Weights) (err error) {
	if s.means, err = averaged(w); err != nil {
		return err
	}
	s.vars = nil
	s.eval = ldm.NewFirstStage(s.model, s.means, ldm.Options{Engine: s.run.Engine, Precision: s.loop.Precision})
	return nil
}

// validate reconstructs the held-out pictures from the posterior's mean.
func (s *firstStage) validate(ctx context.Context) ([]scalar, error) {
	if s.valid == nil {
		return nil, nil
	}
	var sum float64
	count := 0
	for i := range s.valid.Set.Len() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x, ok := s.valid.picture(i)
		if !ok {
			continue
		}
		y, err := s.eval.Reconstruct(ctx, x)
		if err != nil {
			return nil, err
		}
		sum += metric.PSNR(x.F32, y.F32)
		count++
	}
	if count == 0 {
		return nil, fault.Inputf("no held-out picture can be read")
	}
	return []scalar{{"psnr", sum / float64(count)}}, nil
}

// pictures shows held-out pictures (or training ones) above their reconstructions.
func (s *firstStage) pictures(ctx context.Context) (image.Image, error) {
	const columns = 8
	from := s.valid
	if from == nil {
		from = s.train
	}
	var shown []*tensor.Tensor
	n := min(columns, from.Set.Len())
	for i := range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		x, ok := from.picture(i * from.Set.Len() / n)
		if !ok {
			continue
		}
		y, err := s.eval.Reconstruct(ctx, x)
		if err != nil {
			return nil, err
		}
		shown = append(shown, x, y)
	}
	if len(shown) == 0 {
		return nil, nil
	}
	n = len(shown) / 2
	side := s.cfg.Data.Size
	grid := tensor.New(2*n, side, side, 3)
	for i := range n {
		copy(grid.Row(i).F32, shown[2*i].F32)
		copy(grid.Row(n+i).F32, shown[2*i+1].F32)
	}
	return picture.Grid(grid, n), nil
}
