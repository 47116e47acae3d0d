package modelfile

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// Network decodes the configuration, with what the file decides: the scale
// factor, and the heads of the legacy models.
func (f *File) Network() (*model.Network, error) {
	net, err := model.New(f.Target)
	if err != nil {
		return nil, fault.As(fault.File, wrap(f.From, err))
	}
	for _, line := range f.Assumed {
		f.opt.log("assumed: %s", line)
	}
	if err := f.setHeads(net); err != nil {
		return nil, err
	}
	if _, ok := f.Info(model.NameScaleFactor); ok {
		t, err := f.Read(model.NameScaleFactor)
		if err != nil {
			return nil, err
		}
		if len(t.F32) != 1 || !(t.F32[0] > 0) || math.IsInf(float64(t.F32[0]), 0) {
			return nil, fault.Filef("%s: %s is %v: want one positive number", f.Name(), model.NameScaleFactor, t.F32)
		}
		net.ScaleFactor = t.F32[0]
		f.opt.log("scale_factor %g from the file", net.ScaleFactor)
	}
	return net, nil
}

// setHeads gives the legacy models their one head. Files that this program
// wrote mean what they say.
func (f *File) setHeads(net *model.Network) error {
	if f.opt.Heads == model.HeadsAuto && f.Metadata()[metaConfig] != "" {
		return nil
	}
	name, err := net.SetHeads(f.opt.Heads)
	if name != "" {
		f.opt.log("assumed: one attention head, as %s was trained (--legacy-heads config takes the configuration's instead)", name)
	}
	return err
}

// averages tells whether the averaged weights are to be used.
func (f *File) averages(net *model.Network) (bool, error) {
	has := slices.ContainsFunc(f.Names(), func(name string) bool { return strings.HasPrefix(name, model.PrefixEMA) })
	switch f.opt.Weights {
	case WeightsRaw:
		return false, nil
	case WeightsEMA:
		if !has {
			return false, fault.Inputf("%s holds no averaged weights (%s*)", f.Name(), model.PrefixEMA)
		}
		return true, nil
	}
	use := has && (net.Params.UseEMA == nil || *net.Params.UseEMA)
	switch {
	case use:
		f.opt.log("the file holds averaged weights too; using the averaged ones")
	case has:
		f.opt.log("the file holds averaged weights too; using the plain ones, as use_ema is false")
	}
	return use, nil
}

// Weights reads all parameters of a model. They lie in the file where that can
// be mapped, and hold as long as it is open.
func (f *File) Weights(net *model.Network) (engine.Vars, error) {
	specs, err := net.AllParams()
	if err != nil {
		return nil, err
	}
	averaged, err := f.averages(net)
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
		if name, ok := model.EMAName(p.Name); ok && averaged {
			w.Stored = name
		}
		want[p.Name] = w
	}
	vars, err := checkpoint.Load(f, want, checkpoint.LoadOptions{
		Allowed: model.Stray, Spare: slices.Collect(maps.Keys(known)), IgnoreKeys: f.opt.IgnoreKeys, View: true, Loose: f.loose,
	})
	if err != nil {
		return nil, fault.As(fault.File, err)
	}
	return f.completed(vars, specs), nil
}

// completed gives initial values to what was ignored.
func (f *File) completed(vars engine.Vars, specs []nn.ParamSpec) engine.Vars {
	var absent []nn.ParamSpec
	for _, p := range specs {
		if vars[p.Name] == nil {
			absent = append(absent, p)
		}
	}
	if len(absent) > 0 {
		f.opt.log("%d parameters whose keys are ignored have initial values", len(absent))
		maps.Copy(vars, nn.Initialize(absent, 0))
	}
	return vars
}

// Tokenizer is the one that a model's texts go through: that of the file, or
// the published vocabulary of its kind of text encoder; nil where it takes no
// texts.
func (f *File) Tokenizer(net *model.Network) (token.Tokenizer, error) {
	vocab := f.Metadata()[metaVocab]
	switch {
	case net.CLIP != nil:
		return token.CLIP(), nil
	case net.Text == nil || net.Text.UseTokenizer != nil && !*net.Text.UseTokenizer:
		return nil, nil
	case vocab != "":
		tok, err := token.NewWordPiece(strings.Split(vocab, "\n"))
		if err != nil {
			return nil, fault.As(fault.File, wrap(f.Name(), err))
		}
		return tok, nil
	case net.Text.VocabSize == len(token.BERT().Vocab):
		return token.BERT(), nil
	}
	return nil, fault.Filef("%s: the text encoder has a vocabulary of %d pieces, which the file does not hold (metadata %s) and which is not BERT's of %d",
		f.Name(), net.Text.VocabSize, metaVocab, len(token.BERT().Vocab))
}

// Classes are the names of the classes, by their numbers, where the file has them.
func (f *File) Classes() []string {
	var names []string
	if json.Unmarshal([]byte(f.Metadata()[MetaClasses]), &names) != nil {
		return nil
	}
	return names
}

// stageTarget is the configuration of the file's first stage, and the prefix
// of its keys.
func (f *File) stageTarget() (cfg autoencoder.Config, prefix string, err error) {
	target := f.Target
	if target.Target == config.TargetLatentDiffusion {
		var params model.Params
		if err := target.Decode(&params); err != nil {
			return cfg, "", fault.As(fault.File, wrap(f.From, err))
		}
		target, prefix = params.FirstStage, model.PrefixFirstStage+"."
	}
	if cfg, err = model.DecodeStage(target); err != nil {
		err = fault.As(fault.File, wrap(f.From, err))
	}
	return cfg, prefix, err
}

// FirstStageConfig is the configuration of the file's first stage.
func (f *File) FirstStageConfig() (autoencoder.Config, error) {
	cfg, _, err := f.stageTarget()
	return cfg, err
}

// FirstStage reads the first stage of the file, alone or part of a model, into
// memory of its own. The names of the weights have no prefix.
func (f *File) FirstStage() (autoencoder.Config, engine.Vars, error) {
	cfg, prefix, err := f.stageTarget()
	if err != nil {
		return cfg, nil, err
	}
	specs, err := model.StageParams(cfg, "")
	if err != nil {
		return cfg, nil, wrap(f.From, err)
	}
	shapes := map[string]tensor.Shape{}
	for _, s := range specs {
		shapes[s.Name] = s.Shape
	}
	for _, line := range f.Assumed {
		if prefix == "" { // the other assumptions are of no consequence here
			f.opt.log("assumed: %s", line)
		}
	}
	vars, err := checkpoint.Load(f, checkpoint.Wants(prefix, shapes), checkpoint.LoadOptions{
		Allowed: func(name string) bool { return prefix != "" || model.Stray(name) }, IgnoreKeys: f.opt.IgnoreKeys, Loose: f.loose,
	})
	if err != nil {
		return cfg, nil, fault.As(fault.File, err)
	}
	return cfg, f.completed(vars, specs), nil
}
