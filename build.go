package ldm

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// Which of a checkpoint's weights of the U-Net to use.
const (
	WeightsAuto = "auto" // the averages where the file has them, unless its YAML says use_ema: false
	WeightsEMA  = "ema"
	WeightsRaw  = "raw"
)

// LoadOptions say how a model's file is read.
type LoadOptions struct {
	Config     string       // YAML of the model; empty: see OpenSource
	IgnoreKeys []string     // beginnings of names that need not fit; what is missing gets initial values
	Weights    string       // WeightsAuto (also when empty), WeightsEMA or WeightsRaw
	Heads      string       // HeadsAuto (also when empty), HeadsOne or HeadsConfig
	Log        func(string) // told what was assumed and noticed; may be nil
}

func (o LoadOptions) log(format string, args ...any) {
	if o.Log != nil {
		o.Log(fmt.Sprintf(format, args...))
	}
}

// Network decodes the source's configuration, with what its file decides: the
// scale factor, and the heads of the legacy models.
func (s *Source) Network(o LoadOptions) (*Network, error) {
	net, err := NewNetwork(s.Target)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.From, err)
	}
	for _, line := range s.Assumed {
		o.log("assumed: %s", line)
	}
	if err := net.applyLegacyHeads(s, o); err != nil {
		return nil, err
	}
	if _, ok := s.Info(keyScaleFactor); ok {
		t, err := s.Read(keyScaleFactor)
		if err != nil {
			return nil, err
		}
		if len(t.F32) != 1 || !(t.F32[0] > 0) || math.IsInf(float64(t.F32[0]), 0) {
			return nil, fmt.Errorf("%s: %s is %v: want one positive number", s.Name(), keyScaleFactor, t.F32)
		}
		net.ScaleFactor = t.F32[0]
		o.log("scale_factor %g from the file", net.ScaleFactor)
	}
	return net, nil
}

// averages tells whether the averaged weights are to be used.
func (s *Source) averages(net *Network, o LoadOptions) (bool, error) {
	has := slices.ContainsFunc(s.Names(), func(name string) bool { return strings.HasPrefix(name, prefixEMA) })
	switch o.Weights {
	case WeightsRaw:
		return false, nil
	case WeightsEMA:
		if !has {
			return false, fmt.Errorf("%s holds no averaged weights (%s*)", s.Name(), prefixEMA)
		}
		return true, nil
	case "", WeightsAuto:
		use := has && (net.Params.UseEMA == nil || *net.Params.UseEMA)
		switch {
		case use:
			o.log("the file holds averaged weights too; using the averaged ones")
		case has:
			o.log("the file holds averaged weights too; using the plain ones, as use_ema is false")
		}
		return use, nil
	}
	return false, fmt.Errorf("weights %q: want %s, %s or %s", o.Weights, WeightsAuto, WeightsEMA, WeightsRaw)
}

// Load reads the model's weights. The source stays open as long as the model.
func (s *Source) Load(opt Options) (*Model, error) {
	net, err := s.Network(opt.LoadOptions)
	if err != nil {
		return nil, err
	}
	vars, err := s.weights(net, opt.LoadOptions)
	if err != nil {
		return nil, err
	}
	tok, err := net.tokenizer(s.Metadata()[metaVocab])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name(), err)
	}
	opt.packed = func(name string) { s.Release(vars[name]) }
	m := NewModel(net, s.Target, tok, vars, opt)
	m.source = s
	return m, nil
}

// weights reads all parameters of a model.
func (s *Source) weights(net *Network, o LoadOptions) (engine.Vars, error) {
	specs, err := net.params()
	if err != nil {
		return nil, err
	}
	averaged, err := s.averages(net, o)
	if err != nil {
		return nil, err
	}
	known, err := net.StateDict()
	if err != nil {
		return nil, err
	}
	want := map[string]checkpoint.Want{}
	for _, p := range specs {
		w := checkpoint.Want{Stored: p.Name, Shape: p.Shape}
		if name, ok := emaName(p.Name); ok && averaged {
			w.Stored = name
		}
		want[p.Name] = w
	}
	_, folder := s.Reader.(*checkpoint.Set)
	vars, err := checkpoint.Load(s, want, checkpoint.LoadOptions{
		Allowed: stray, Spare: slices.Collect(maps.Keys(known)), IgnoreKeys: o.IgnoreKeys, View: true, Loose: folder,
	})
	if err != nil {
		return nil, err
	}
	return completed(vars, specs, o), nil
}

// completed gives initial values to what was ignored.
func completed(vars engine.Vars, specs []nn.ParamSpec, o LoadOptions) engine.Vars {
	var absent []nn.ParamSpec
	for _, p := range specs {
		if vars[p.Name] == nil {
			absent = append(absent, p)
		}
	}
	if len(absent) > 0 {
		o.log("%d parameters whose keys are ignored have initial values", len(absent))
		maps.Copy(vars, nn.Initialize(absent, 0))
	}
	return vars
}

// stray tells whether a checkpoint may hold a key that is no part of the
// network: buffers, averages, and what belongs to training.
func stray(name string) bool {
	for _, prefix := range []string{prefixEMA, "ddim_", "loss.", PrefixFirstStage + ".loss.", "lvlb_weights", keyLogvar, keyScaleFactor} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains(scheduleBuffers, name) || strings.HasSuffix(name, ".position_ids")
}

// stageTarget is the configuration of the source's first stage, and the prefix
// of its keys.
func (s *Source) stageTarget() (cfg autoencoder.Config, prefix string, err error) {
	target := s.Target
	if target.Target == TargetLatentDiffusion {
		var params Params
		if err := target.Decode(&params); err != nil {
			return cfg, "", fmt.Errorf("%s: %w", s.From, err)
		}
		target, prefix = params.FirstStage, PrefixFirstStage+"."
	}
	if cfg, err = decodeAutoencoder(target); err != nil {
		err = fmt.Errorf("%s: %w", s.From, err)
	}
	return cfg, prefix, err
}

// FirstStageConfig is the configuration of the source's first stage.
func (s *Source) FirstStageConfig() (autoencoder.Config, error) {
	cfg, _, err := s.stageTarget()
	return cfg, err
}

// FirstStage reads the first stage of the source, alone or part of a model. The
// names of the weights have no prefix.
func (s *Source) FirstStage(o LoadOptions) (autoencoder.Config, engine.Vars, error) {
	cfg, prefix, err := s.stageTarget()
	if err != nil {
		return cfg, nil, err
	}
	specs, err := firstStageParams(cfg, "")
	if err != nil {
		return cfg, nil, fmt.Errorf("%s: %w", s.From, err)
	}
	for _, line := range s.Assumed {
		if prefix == "" { // the other assumptions are of no consequence here
			o.log("assumed: %s", line)
		}
	}
	_, folder := s.Reader.(*checkpoint.Set)
	vars, err := checkpoint.Load(s, checkpoint.Wants(prefix, shapes(specs)), checkpoint.LoadOptions{
		Allowed: func(name string) bool { return prefix != "" || stray(name) }, IgnoreKeys: o.IgnoreKeys, Loose: folder,
	})
	if err != nil {
		return cfg, nil, err
	}
	return cfg, completed(vars, specs, o), nil
}

func shapes(specs []nn.ParamSpec) map[string]tensor.Shape {
	out := map[string]tensor.Shape{}
	for _, s := range specs {
		out[s.Name] = s.Shape
	}
	return out
}
