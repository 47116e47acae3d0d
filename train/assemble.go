package train

import (
	"context"
	"fmt"
	"maps"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
)

// takeModelKeys honours the keys of the reference's LatentDiffusion that are
// of training, and refuses those that cannot be.
func (s *secondStage) takeModelKeys() error {
	if !model.IsDiffusion(s.target) {
		return fault.Inputf("model.target is %q: want %s", s.target.Target, config.TargetLatentDiffusion)
	}
	if s.target.Params == nil {
		return fault.Inputf("model.params is empty")
	}
	s.target.Params = maps.Clone(s.target.Params) // what follows from the data is added
	p := model.Params{Config: diffusion.Default()}
	start, _ := s.target.Params["ckpt_path"].(string)
	delete(s.target.Params, "ckpt_path") // as init, it is not of the model
	if err := s.target.Decode(&p); err != nil {
		return fault.As(fault.Input, err)
	}
	switch {
	case p.NumTimestepsCond > 1:
		return fault.Inputf("model.params.num_timesteps_cond is %d: want 1, conditions are not noised", p.NumTimestepsCond)
	case p.CondStageForward != "":
		return fault.Inputf("model.params.cond_stage_forward %q is not supported: remove it", p.CondStageForward)
	case p.FirstStageKey != "" && p.FirstStageKey != "image":
		return fault.Inputf("model.params.first_stage_key is %q: want image", p.FirstStageKey)
	case p.OriginalELBOWeight < 0 || p.LSimpleWeight < 0:
		return fault.Inputf("model.params.original_elbo_weight %g and l_simple_weight %g: want 0 or more", p.OriginalELBOWeight, p.LSimpleWeight)
	case p.OriginalELBOWeight+p.LSimpleWeight == 0:
		return fault.Inputf("model.params.original_elbo_weight and l_simple_weight are both 0: nothing would be learned")
	case p.UseEMA != nil && !*p.UseEMA:
		s.cfg.Train.EMA = 0
	}
	if s.cfg.Init == "" {
		s.cfg.Init = start
	}
	var scheduler any
	if p.Scheduler.Target != "" {
		scheduler = map[string]any{"target": p.Scheduler.Target, "params": p.Scheduler.Params}
	}
	var err error
	s.cfg.Train, err = s.cfg.Train.withBase(s.target, scheduler)
	return err
}

// assemble joins the trained first stage, the tokenizer or the classes, and the
// networks. What a checkpoint says comes before what the data says.
func (s *secondStage) assemble(ctx context.Context, before *previous) error {
	stageConfig, stageVars, err := readFirstStage(s.cfg.FirstStage)
	if err != nil {
		return fmt.Errorf("first_stage: %w", err)
	}
	var initial *modelfile.File
	if before == nil && s.cfg.Init != "" {
		if initial, err = modelfile.Open(s.cfg.Init, modelfile.Options{Log: func(l string) { s.run.line("init: %s", l) }}); err != nil {
			return fmt.Errorf("init: %w", err)
		}
		defer initial.Close()
	}
	s.known = facts{kind: kindDiffusion, count: s.train.Set.Len(), firstStage: digestOfVars(stageVars)}
	s.known.pictures, s.known.captions = digestOfSet(s.cfg.Data.Train, s.train.Set)
	if err := s.completeTarget(stageConfig, before, initial); err != nil {
		return err
	}
	if s.net, err = model.New(s.target); err != nil {
		return fault.As(fault.Input, err)
	}
	if err := s.checkSizes(stageConfig); err != nil {
		return err
	}
	if err := s.setBuckets(s.cfg.Buckets, s.train); err != nil {
		return err
	}
	s.known.pixels = s.train.Set.Pixels()
	for name, t := range stageVars {
		s.vars[model.PrefixFirstStage+"."+name] = t
	}
	if s.frozen, err = s.run.Engine.Load(maps.Clone(stageVars), engine.LoadOptions{}); err != nil {
		return err
	}
	stage := ldm.NewFirstStage(stageConfig, s.frozen, ldm.Options{Engine: s.run.Engine, Precision: s.cfg.Train.Precision})
	s.latents = newLatents(stage, s.train)
	if s.valid != nil {
		s.held = newLatents(stage, s.valid)
	}
	if err := s.loadWeights(before, initial); err != nil {
		return err
	}
	if err := s.setScale(ctx, before, initial); err != nil {
		return err
	}
	if err := s.openPrior(ctx, s.cfg.Prior, s.openInitial); err != nil {
		return err
	}
	return s.setObjective()
}

// openInitial opens the model that the run begins with, which can draw pictures.
func (s *secondStage) openInitial() (*modelfile.File, error) {
	if s.cfg.Init == "" {
		return nil, fault.Inputf("prior.prompt is %q, and there is no init, the model that could draw pictures of it: want prior.folder", s.cfg.Prior.Prompt)
	}
	return modelfile.Open(s.cfg.Init, modelfile.Options{})
}

// setObjective settles what is minimised.
func (s *secondStage) setObjective() (err error) {
	if s.condition, err = s.newCondition(); err != nil {
		return err
	}
	h, w, _ := s.latents.shape()
	s.denoising = denoising{net: s.net, delta: s.cfg.HuberDelta, h: h, w: w, context: s.condition.build, weighed: s.prior.from != nil}
	times, err := diffusion.NewTimesteps(s.net.Schedule, s.cfg.MinSNR)
	if err != nil {
		return fmt.Errorf("min_snr_gamma: %w", err)
	}
	s.noiser = noiser{schedule: s.net.Schedule, times: times, offset: s.cfg.NoiseOffset, seed: s.cfg.Train.Seed}
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

// checkSizes wants pictures that fit the first stage and the U-Net.
func (s *secondStage) checkSizes(stage autoencoder.Config) error {
	f, unit, p := stage.Factor(), s.net.UNet.Factor(), s.net.Params
	size := s.cfg.Data.Size
	switch {
	case size%(f*unit) != 0:
		return fault.Inputf("data.size is %d: want a multiple of %d (f = %d times the U-Net's %d)", size, f*unit, f, unit)
	case p.ImageSize != 0 && p.ImageSize != size/f:
		return fault.Inputf("data.size %d makes latents of %d with the first stage's f = %d, but model.params.image_size is %d: want data.size=%d or image_size=%d", size, size/f, f, p.ImageSize, p.ImageSize*f, size/f)
	case stage.LatentChannels() != s.net.LatentChannels():
		return fault.Inputf("the first stage has latents of %d channels, the U-Net (out_channels) is for %d", stage.LatentChannels(), s.net.LatentChannels())
	case s.net.Key == model.KeyADM && s.net.UNet.NumClasses != len(s.classes)+1:
		return fault.Inputf("unet_config.num_classes is %d: want %d, one more than the classes for the empty one", s.net.UNet.NumClasses, len(s.classes)+1)
	case p.Channels != 0 && p.Channels != stage.LatentChannels():
		return fault.Inputf("model.params.channels is %d: the first stage has latents of %d", p.Channels, stage.LatentChannels())
	}
	return nil
}

// setScale settles what latents are multiplied by: as in the checkpoint, in the
// model that training begins with, in the configuration, or measured.
func (s *secondStage) setScale(ctx context.Context, before *previous, initial *modelfile.File) error {
	switch {
	case before != nil && before.scale != 0:
		s.net.ScaleFactor = before.scale
	case initial != nil:
		net, err := initial.Network()
		if err != nil {
			return fmt.Errorf("init: %w", err)
		}
		s.net.ScaleFactor = net.ScaleFactor
	case s.net.Params.ScaleByStd:
		std, err := s.latents.std(ctx, s.cfg.Train.Seed)
		if err != nil {
			return err
		}
		if !(std > 0) {
			return fault.Inputf("scale_by_std: the latents' deviation is %g; is the first stage trained?", std)
		}
		s.net.ScaleFactor = float32(1 / std)
	}
	s.known.scale = s.net.ScaleFactor
	if scale := s.net.ScaleFactor; (scale < .1 || scale > 10) && s.watch.once("scale") {
		s.run.line("warning: latents are multiplied by %.3g to have deviation 1, which is far from 1: the first stage regularises little (a larger loss.kl)", scale)
	}
	return nil
}
