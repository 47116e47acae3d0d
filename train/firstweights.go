package train

import (
	"fmt"
	"maps"

	"github.com/ldm-go/ldm/discriminator"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/perceptual"
	"github.com/ldm-go/ldm/tensor"
)

// perceptualPrefix begins the names of the perceptual term's weights in a
// graph, as in the reference's checkpoints.
const perceptualPrefix = "loss.perceptual_loss"

func (s *firstStage) distanceNet() perceptual.Net {
	if len(s.loss.LPIPS) > 0 {
		return perceptual.VGG
	}
	return perceptual.Squeeze
}

// loadDistance reads the weights of the perceptual term.
func (s *firstStage) loadDistance() error {
	if s.loss.Perceptual == 0 {
		return nil
	}
	net := s.distanceNet()
	s.called, s.distance = "lpips_squeeze", func(g *graph.Graph, x, y graph.Value) graph.Value {
		return net.Distances(nn.NewBuilder(g).In(perceptualPrefix), x, y)
	}
	read := perceptual.Vars
	if net == perceptual.VGG {
		s.called, read = "lpips_vgg", func() (engine.Vars, error) { return net.Load(s.loss.LPIPS...) }
	}
	vars, err := read()
	for name, v := range vars {
		s.vars[perceptualPrefix+"."+name] = v
	}
	return err
}

// initialize reads the weights of the perceptual term and, for a new run, those
// of the model that it begins with.
func (s *firstStage) initialize(fresh bool) error {
	if err := s.loadDistance(); err != nil {
		return err
	}
	if s.cfg.Init == "" || !fresh && s.tune != tuneDecoder { // checkpoints hold what is trained, and the encoder is not
		return nil
	}
	f, err := modelfile.Open(s.cfg.Init, modelfile.Options{IgnoreKeys: s.model.IgnoreKeys, Log: func(l string) { s.run.line("init: %s", l) }})
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	defer f.Close()
	cfg, vars, err := f.FirstStage()
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if cfg.Kind != s.model.Kind {
		return fault.Inputf("init: %s holds a %s first stage, the configuration is of a %s one", s.cfg.Init, cfg.Kind, s.model.Kind)
	}
	specs, err := model.StageParams(s.model, "")
	if err != nil {
		return err
	}
	for _, p := range specs {
		if t := vars[p.Name]; t == nil || !t.Shape.Equal(p.Shape) {
			return fault.Inputf("init: %s has no %s of shape %v", s.cfg.Init, p.Name, p.Shape)
		}
	}
	for name, t := range vars {
		vars[name] = t.Float32()
	}
	maps.Copy(s.vars, vars)
	if s.tune == tuneDecoder {
		stays := maps.Clone(vars)
		maps.DeleteFunc(stays, func(name string, _ *tensor.Tensor) bool { return s.moves(name) })
		s.known.base = digestOfVars(stays)
	}
	s.readDiscriminator(f)
	return nil
}

// readDiscriminator takes over a discriminator that a reference's checkpoint
// holds beside its first stage, if it is of the configured structure.
func (s *firstStage) readDiscriminator(f *modelfile.File) {
	if s.loss.Adversary.Weight == 0 {
		return
	}
	g := graph.New()
	b := nn.NewBuilder(g)
	s.loss.Adversary.network().Build(b.In(discriminator.Prefix), g.Input("x", 1, s.shape.Y, s.shape.X, 3))
	found := engine.Vars{}
	for _, p := range b.Params() {
		t, err := f.Read(p.Name)
		if err != nil || !t.Shape.Equal(p.Shape) {
			return
		}
		found[p.Name] = t.Float32()
	}
	maps.Copy(s.vars, found)
	s.run.line("init: the discriminator is taken over, too")
}
