package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
)

// Tuning configures what all trainings have in common that begin with a whole model
// and leave its weights as they are.
type Tuning struct {
	Base        string  `yaml:"base"`              // model file; empty: the model in the program
	Data        Data    `yaml:"data"`              // size 0: the base's
	Trigger     string  `yaml:"trigger,omitempty"` // before each caption, and the whole of it where there is none
	Buckets     float64 `yaml:"buckets,omitempty"` // pictures keep their proportions, up to so much to 1; 0: all are squares
	Dropout     float64 `yaml:"dropout"`           // share of captions or labels replaced by the empty one
	MinSNR      float64 `yaml:"min_snr_gamma"`     // 0: timesteps are drawn evenly; see diffusion.NewTimesteps
	NoiseOffset float64 `yaml:"noise_offset"`      // deviation of a noise that is one number for a whole channel
	CacheMB     int     `yaml:"cache_mb"`          // MiB of memory for encoded pictures, and as much for texts
	Train       Loop    `yaml:"train"`
	Samples     Samples `yaml:"samples"`

	describe func(texts []string) []string // the captions of a picture, in place of what trigger does
}

// defaultTuning holds what a configuration may leave out.
func defaultTuning() Tuning {
	t := Tuning{Data: Data{Crop: cropCenter}, CacheMB: 2048, Train: DefaultLoop(), Samples: Samples{Steps: 25}}
	t.Train.BatchSize, t.Train.Steps, t.Train.Warmup, t.Train.Clip, t.Train.WeightDecay = 1, 1000, 0, 1, .01
	t.Train.LogEvery, t.Train.ValidateEvery, t.Train.SampleEvery, t.Train.SaveEvery = 10, 250, 250, 250
	return t
}

// tuning is a second stage of a whole model, of which its own objective moves a small
// part that is beside the model's weights.
type tuning struct {
	secondStage
	file  *modelfile.File // whose memory the weights are
	views engine.Vars     // the weights there
	text  string          // the base, for messages
	ahead bool            // what is the same in all steps has been computed
}

// open reads the model and the pictures.
func (t *tuning) open(ctx context.Context, c Tuning, run Run) error {
	t.run, t.vars = run, engine.Vars{}
	var err error
	if c.Train, err = c.Train.sharedBy(run.Hosts); err != nil {
		return err
	}
	if t.file, err = c.openBase(run); err != nil {
		return err
	}
	t.text = c.Base
	if t.text == "" {
		t.text = "the model in the program"
	}
	if err := t.takeBase(); err != nil {
		return fmt.Errorf("base: %s: %w", t.text, err)
	}
	side := t.net.FirstStage.Factor()
	if c.Data.Size == 0 {
		c.Data.Size = t.net.LatentSide() * side
	}
	if c.Train.LearningRate == 0 {
		c.Train.LearningRate = DefaultRate
	}
	t.cfg = DiffusionConfig{
		Vocabulary: vocabularyData, FirstStage: t.text, HuberDelta: 1, Data: c.Data, Dropout: c.Dropout, MinSNR: c.MinSNR,
		NoiseOffset: c.NoiseOffset, CacheMB: c.CacheMB, Train: c.Train, Samples: c.Samples, Masks: DefaultDiffusion().Masks,
	}
	if err := t.cfg.validate(); err != nil {
		return err
	}
	if unit := side * t.net.UNet.Factor(); c.Data.Size%unit != 0 {
		return fault.Inputf("data.size is %d: want a multiple of %d", c.Data.Size, unit)
	}
	if t.train, t.valid, err = t.cfg.Data.open(ctx, t.cfg.Train, run, t.net.Classes() > 0, t.classes); err != nil {
		return err
	}
	for _, f := range []*feed{t.train, t.valid} {
		if f != nil {
			c.setTexts(f.Set)
		}
	}
	if err := t.checkSet(c.Trigger); err != nil {
		return err
	}
	if err := t.setBuckets(c.Buckets, t.train); err != nil {
		return err
	}
	t.known.pictures, t.known.captions = digestOfSet(c.Data.Train, t.train.Set)
	t.known.count, t.known.pixels = t.train.Set.Len(), t.train.Set.Pixels()
	stage, err := t.openStage()
	if err != nil {
		return err
	}
	t.latents = newLatents(stage, t.train)
	if t.valid != nil {
		t.held = newLatents(stage, t.valid)
	}
	return nil
}

// openBase opens the model that the run begins with.
func (c Tuning) openBase(run Run) (*modelfile.File, error) {
	if c.Base == "" {
		if run.Builtin == nil {
			return nil, fault.Inputf("base is empty: name a model file")
		}
		return run.Builtin()
	}
	f, err := modelfile.Open(c.Base, modelfile.Options{Log: func(l string) { run.line("base: %s", l) }})
	if err != nil {
		return nil, fmt.Errorf("base: %w", err)
	}
	return f, nil
}

// takeBase reads the structure and the weights, which lie in the file.
func (t *tuning) takeBase() (err error) {
	if t.net, err = t.file.Network(); err != nil {
		return err
	}
	if t.tok, err = t.file.Tokenizer(t.net); err != nil {
		return err
	}
	if t.vars, err = t.file.Weights(t.net); err != nil {
		return err
	}
	t.views = maps.Clone(t.vars)
	t.target, t.classes = t.file.Target, t.file.Classes()
	t.known.scale, t.known.base = t.net.ScaleFactor, sampledDigest(t.vars)
	return nil
}

// openStage makes the first stage, which encodes the pictures.
func (t *tuning) openStage() (*ldm.FirstStage, error) {
	vars := engine.Vars{}
	for name, v := range t.vars {
		if inside, ok := strings.CutPrefix(name, model.PrefixFirstStage+"."); ok {
			vars[inside] = v
		}
	}
	t.known.firstStage = digestOfVars(vars)
	var err error
	if t.frozen, err = t.run.Engine.Load(vars, engine.LoadOptions{}); err != nil {
		return nil, err
	}
	return ldm.NewFirstStage(t.net.FirstStage, t.frozen, ldm.Options{Engine: t.run.Engine, Precision: t.cfg.Train.Precision}), nil
}

// digestConditioner settles what contexts that are kept depend on.
func (t *tuning) digestConditioner() {
	vars := engine.Vars{}
	for name, v := range t.vars {
		if isUnder(name, model.PrefixConditioner) {
			vars[name] = v
		}
	}
	t.known.conditioner = digestOfVars(vars)
}

// mostAhead bounds the pictures that are encoded before the first step.
const mostAhead = 2000

// before computes, ahead of the first step, what is the same in all of them, so that
// the networks that compute it take no memory beside the steps.
func (t *tuning) before(ctx context.Context, _ *loop, _ int) error {
	if t.ahead {
		return nil
	}
	t.ahead = true
	for _, from := range []*latents{t.latents, t.prior.from} {
		if from != nil && from.feed.Set.Len() <= mostAhead {
			if err := t.computeAhead(ctx, from); err != nil {
				return err
			}
		}
	}
	if t.contexts != nil {
		t.contexts.rest()
	}
	old := t.latents.stage
	t.latents.stage = ldm.NewFirstStage(t.net.FirstStage, t.frozen, ldm.Options{Engine: t.run.Engine, Precision: t.cfg.Train.Precision})
	for _, other := range []*latents{t.held, t.prior.from} {
		if other != nil {
			other.stage = t.latents.stage
		}
	}
	old.Close()
	return nil
}

// computeAhead encodes the pictures of a set, where they are kept, and their texts.
func (t *tuning) computeAhead(ctx context.Context, from *latents) error {
	for i, item := range from.feed.Set.Items {
		e := example{from: from, pick: data.Pick{Index: i, X: .5, Y: .5, Bucket: from.feed.Set.Bucket(i)}}
		for _, mirror := range []bool{false, true} {
			if e.pick.Mirror = mirror; t.cfg.Data.Crop == cropRandom || mirror && !t.cfg.Data.Flip {
				continue
			}
			if _, err := from.posterior(ctx, &e.pick); err != nil {
				return err
			}
		}
		if t.contexts == nil {
			continue
		}
		for _, text := range append([]string{""}, item.Texts...) {
			e.pick.Text = text
			if _, err := t.contexts.context(ctx, e); err != nil {
				return err
			}
		}
		e.dropped = true
		if _, err := t.contexts.context(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// pictures draws samples; what that compiles is closed again.
func (t *tuning) pictures(ctx context.Context) (image.Image, error) {
	t.model = t.newModel()
	defer t.model.Close()
	return t.secondStage.pictures(ctx)
}

// closeBase closes the file whose memory the weights are.
func (t *tuning) closeBase() {
	t.frozen.Close()
	t.file.Close()
}

// released drops the pages of the file that hold a weight which the engine has a form
// of its own of.
func (t *tuning) released(name string) {
	if v := t.views[name]; v != nil {
		t.file.Release(v)
	}
}

// sampledDigest is a digest of weights by some numbers of each, for models whose
// whole is too much to read.
func sampledDigest(vars engine.Vars) string {
	const most = 64
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		v := vars[name]
		n := v.Shape.Size()
		fmt.Fprintf(h, "%q %v", name, v.Shape)
		for k := range min(most, n) {
			at := k * n / min(most, n)
			if v.Half != nil {
				fmt.Fprintf(h, " %x", v.Half[at])
			} else {
				fmt.Fprintf(h, " %x", math.Float32bits(v.F32[at]))
			}
		}
		fmt.Fprintln(h)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
