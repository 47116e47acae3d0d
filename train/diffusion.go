package train

import (
	"context"
	"path/filepath"

	"github.com/ldm-go/ldm"
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

// Diffusion trains the second stage, or goes on with it.
func Diffusion(ctx context.Context, cfg DiffusionConfig, run Run) error {
	cfg, err := cfg.takeInit(run)
	if err != nil {
		return err
	}
	if cfg.Train, err = cfg.Train.sharedBy(run.Hosts); err != nil {
		return err
	}
	s := &secondStage{cfg: cfg, run: run, target: cfg.Model, vars: engine.Vars{}}
	if err := s.takeModelKeys(); err != nil {
		return err
	}
	if err := s.cfg.validate(); err != nil {
		return err
	}
	before, err := run.open(kindDiffusion)
	if err != nil {
		return err
	}
	if s.train, s.valid, err = cfg.Data.open(ctx, s.cfg.Train, run, s.classed(), before.classNames()); err != nil {
		return err
	}
	setTrigger(s.train.Set, cfg.Trigger)
	if err := s.assemble(ctx, before); err != nil {
		return err
	}
	cfg.Model = s.target
	return start(ctx, run, cfg, s.cfg.Train, s, s.vars, before)
}

// secondStage trains a denoiser and its conditioner on latents.
type secondStage struct {
	cfg    DiffusionConfig
	run    Run
	net    *model.Network
	target config.Target
	vars   engine.Vars
	known  facts
	watch  warnings

	tok               token.Tokenizer
	classes           []string
	trainsConditioner bool
	condition         condition
	contexts          *frozen // of the condition, where a conditioner is frozen
	denoising         denoising
	noiser            noiser

	train, valid  *feed
	latents, held *latents       // of the training and of the held-out pictures; held is nil without
	learnt        *learntTexts   // in place of other texts, where a word is learnt
	prior         prior          // pictures of the class
	adapter       nn.Adapter     // around the network's layers; nil: none
	sampled       ldm.Request    // how samples are made, beside the configuration
	frozen        engine.Weights // of the first stage
	means         engine.Weights // the averaged ones
	model         *ldm.Model     // with these
	loss          engine.Program // of validation
}

// objectives lists the one there is, for each shape of a batch.
func (s *secondStage) objectives() []Objective {
	return s.objectivesOf(Objective{
		Moves: s.moves, Optimizer: s.cfg.Train.Optimizer, Averaged: true, Fill: s.fill,
	}, func(d *denoising) func(b nn.Builder) Loss {
		return func(b nn.Builder) Loss { return d.build(b, s.cfg.Train.BatchSize) }
	})
}

// moves tells which parameters are trained: the U-Net's, those of the
// conditioner if it is not frozen, and the learned log-variances.
func (s *secondStage) moves(name string) bool {
	return isUnder(name, model.PrefixUNet) || name == model.NameLogvar || s.trainsConditioner && isUnder(name, model.PrefixConditioner)
}

func (s *secondStage) fill(ctx context.Context, p engine.Program, batch int) error {
	from, picks := s.batch(batch)
	weight := 1.0
	if from == s.prior.from {
		weight = s.prior.weight
	}
	setScalar(p, "weight", weight)
	for i, pick := range picks {
		at := uint64((batch-1)*s.cfg.Train.BatchSize + i)
		e := example{from: from, pick: pick, seed: s.cfg.Train.Seed, at: at}
		e.dropped = tensor.NewStream(s.cfg.Train.Seed, drawDropout, at).Float64() < s.cfg.Dropout
		if err := s.example(ctx, p, s.noiser, i, e); err != nil {
			return err
		}
	}
	return nil
}

// batch is where the pictures of a batch come from, counted from 1, and which they
// are: in every second update those of the class, if there are some.
func (s *secondStage) batch(batch int) (*latents, []data.Pick) {
	per, parts := s.cfg.Train.BatchSize, s.cfg.Train.perStep()
	update, part := (batch-1)/parts, (batch-1)%parts
	from := s.latents
	if s.prior.from != nil {
		if update%2 == 1 {
			from = s.prior.from
		}
		update /= 2
	}
	return from, from.feed.Picks(update)[part*per:][:per]
}

// example writes place i of a batch: a latent drawn from the posterior, noised
// to a random timestep, what the network should say of it, and its condition.
func (s *secondStage) example(ctx context.Context, p engine.Program, n noiser, i int, e example) error {
	h, w, c := e.from.shapeOf(e.pick)
	z := make([]float32, h*w*c)
	if err := e.from.sample(ctx, z, &e.pick, tensor.NewStream(n.seed, drawPosterior, e.at)); err != nil {
		return err
	}
	for k := range z {
		z[k] *= s.net.ScaleFactor
	}
	n.fill(p, i, z, c, e.at)
	return s.condition.fill(ctx, p, i, e)
}

// validate is the objective on held-out pictures with the averaged weights and
// the same timesteps and noises at every time.
func (s *secondStage) validate(ctx context.Context) ([]scalar, error) {
	if s.held == nil {
		return nil, nil
	}
	n := min(s.cfg.Train.BatchSize, s.valid.Set.Len())
	if s.loss == nil {
		g := graph.New()
		l := s.denoising.build(nn.NewBuilder(g).Adapted(s.adapter), n)
		var err error
		if s.loss, err = s.run.Engine.Compile(g, []graph.Value{l.Terms[0].Value}, s.means, engine.Options{Precision: s.cfg.Train.Precision}); err != nil {
			return nil, err
		}
	}
	even, err := diffusion.NewTimesteps(s.net.Schedule, 0)
	if err != nil {
		return nil, err
	}
	noiser := noiser{schedule: s.net.Schedule, times: even, seed: drawValidation}
	const rounds = 8
	var sum float64
	for r := range rounds {
		for i := range n {
			e := example{from: s.held, pick: data.Pick{Index: i, X: .5, Y: .5}, seed: drawValidation, at: uint64(r*n + i)}
			if texts := s.valid.Set.Items[i].Texts; len(texts) > 0 {
				e.pick.Text = texts[0]
			}
			if err := s.example(ctx, s.loss, noiser, i, e); err != nil {
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
	if s.contexts = frozenIn(s.condition); s.contexts != nil {
		s.contexts.place(w, s.cfg.openCache(s.run, "conditioner "+s.known.conditioner))
	}
	if s.cfg.Data.Crop != cropRandom || s.cfg.Data.Crops > 0 {
		depends := "first stage " + s.known.firstStage
		if s.cfg.Train.Precision != engine.F32 {
			depends += " " + s.cfg.Train.Precision.String()
		}
		s.latents.cache = s.cfg.openCache(s.run, depends)
		for _, l := range []*latents{s.held, s.prior.from} {
			if l != nil {
				l.cache = s.latents.cache
			}
		}
	}
	s.vars = nil
	s.model = s.newModel()
	return nil
}

// newModel is the whole model as it stands.
func (s *secondStage) newModel() *ldm.Model {
	return ldm.New(s.net, s.target, s.tok, s.means, ldm.Options{Engine: s.run.Engine, Precision: s.cfg.Train.Precision, Adapter: s.adapter})
}

func (s *secondStage) export(dir string) error {
	return s.exportAs(filepath.Join(dir, ModelFile), checkpoint.F32)
}

// exportAs writes the whole model.
func (s *secondStage) exportAs(path string, d checkpoint.DType) error {
	vars, err := s.means.Pull()
	if err != nil {
		return err
	}
	return modelfile.Save(context.Background(), path, s.net, s.target, s.tok, s.classes, vars, d)
}

func (s *secondStage) facts() facts { return s.known }

func (s *secondStage) close() {
	if s.latents.cache != nil {
		s.latents.cache.Close()
	}
	if s.contexts != nil {
		s.contexts.close()
	}
}

func (s *secondStage) state() map[string]*tensor.Tensor { return nil }

func (s *secondStage) before(context.Context, *loop, int) error { return nil }

func (s *secondStage) after(*loop, int) error { return nil }
