package modelfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strings"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/checkpoint/recognise"
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
	net, err := f.network()
	if err != nil {
		return nil, err
	}
	for _, line := range net.Ignored {
		f.opt.log("ignored: %s, which matters to training alone", line)
	}
	for _, line := range f.Assumed {
		f.opt.log("assumed: %s", line)
	}
	f.withoutLastLayer(net)
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

// withoutLastLayer takes a text encoder as it is whose last layer counts for nothing
// and is not in the file, as in files that came by way of diffusers.
func (f *File) withoutLastLayer(net *model.Network) {
	c := net.CLIP
	if c == nil || !c.OpenCLIP || c.Skip == 0 {
		return
	}
	if _, ok := f.Info(fmt.Sprintf("%s.model.transformer.resblocks.%d.ln_1.weight", model.PrefixConditioner, c.Layers-1)); ok {
		return
	}
	c.Layers, c.Skip = c.Layers-1, c.Skip-1
}

func (f *File) network() (*model.Network, error) {
	if !model.IsDiffusion(f.Target) {
		if cfg, err := model.StageOf(f.Target); err == nil {
			return nil, fault.Unsupportedf("%s is a %s first stage alone: want a whole latent diffusion model (reconstruct takes a first stage)", f.Name(), cfg.Kind)
		}
	}
	net, err := model.New(f.Target)
	if err != nil {
		return nil, fault.As(fault.File, wrap(f.From, err))
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

// Weights reads all parameters of a model. They lie in the file where that can
// be mapped, and hold as long as it is open.
func (f *File) Weights(net *model.Network) (engine.Vars, error) {
	specs, want, opt, err := f.wants(net)
	if err != nil {
		return nil, err
	}
	vars, err := checkpoint.Load(f, want, opt)
	if err != nil {
		return nil, fault.As(fault.File, err)
	}
	return f.completed(vars, specs), nil
}

// Fits compares the names and shapes of the file's tensors with what its
// configuration wants, and gives the number of those.
func (f *File) Fits() (int, error) {
	if !model.IsDiffusion(f.Target) {
		_, _, want, opt, err := f.stageWants()
		if err != nil {
			return 0, err
		}
		return len(want), fault.As(fault.File, checkpoint.Fits(f, want, opt))
	}
	net, err := f.network()
	if err != nil {
		return 0, err
	}
	_, want, opt, err := f.wants(net)
	if err != nil {
		return 0, err
	}
	return len(want), fault.As(fault.File, checkpoint.Fits(f, want, opt))
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
		tok := token.CLIP()
		if n := tok.Size(); net.CLIP.Vocab != n {
			return nil, fault.Unsupportedf("%s: the text encoder has a vocabulary of %d tokens: want CLIP's of %d", f.Name(), net.CLIP.Vocab, n)
		}
		tok.Pad = net.CLIP.Pad
		return tok, nil
	case !net.TakesText():
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

// FirstStageConfig is the configuration of the file's first stage.
func (f *File) FirstStageConfig() (autoencoder.Config, error) {
	cfg, err := model.StageOf(f.Target)
	if err != nil {
		return cfg, fault.As(fault.File, wrap(f.From, err))
	}
	return cfg, nil
}

// stagePrefix begins the names of the first stage's tensors: what the file has
// before them, else what the configuration says.
func (f *File) stagePrefix() string {
	if prefix, ok := recognise.StagePrefix(f.Names()); ok {
		return prefix
	}
	if model.IsDiffusion(f.Target) {
		return model.PrefixFirstStage + "."
	}
	return ""
}

// stageWants are the tensors that the first stage needs.
func (f *File) stageWants() (autoencoder.Config, []nn.ParamSpec, map[string]checkpoint.Want, checkpoint.LoadOptions, error) {
	prefix := f.stagePrefix()
	opt := checkpoint.LoadOptions{
		Allowed:    func(name string) bool { return prefix != "" || model.Stray(name) },
		IgnoreKeys: f.opt.IgnoreKeys, Loose: true,
	}
	cfg, err := f.FirstStageConfig()
	if err != nil {
		return cfg, nil, nil, opt, err
	}
	specs, err := model.StageParams(cfg, "")
	if err != nil {
		return cfg, nil, nil, opt, wrap(f.From, err)
	}
	shapes := map[string]tensor.Shape{}
	for _, s := range specs {
		shapes[s.Name] = s.Shape
	}
	return cfg, specs, checkpoint.Wants(prefix, shapes), opt, nil
}

// FirstStage reads the first stage of the file, alone or part of a model, into
// memory of its own. The names of the weights have no prefix.
func (f *File) FirstStage() (autoencoder.Config, engine.Vars, error) {
	cfg, specs, want, opt, err := f.stageWants()
	if err != nil {
		return cfg, nil, err
	}
	for _, line := range f.Assumed {
		if !model.IsDiffusion(f.Target) { // the other assumptions are of no consequence here
			f.opt.log("assumed: %s", line)
		}
	}
	vars, err := checkpoint.Load(f, want, opt)
	if err != nil {
		return cfg, nil, fault.As(fault.File, err)
	}
	return cfg, f.completed(vars, specs), nil
}
