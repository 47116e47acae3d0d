package modelfile

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
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

// Keys of a model file's metadata.
const (
	metaConfig = "ldm.config" // its YAML
	metaVocab  = "ldm.vocab"  // the tokenizer's pieces, one a line
	metaStep   = "ldm.step"   // of the state of a training run, which is no model
	// MetaClasses is the names of the classes, a list in JSON.
	MetaClasses = "ldm.classes"
)

func wrap(where string, err error) error { return fmt.Errorf("%s: %w", where, err) }

// Save writes a model's weights with its configuration, target, its tokenizer,
// where that is not a published one, and the names of its classes, if it has
// any. The scale factor and the heads are those in use.
func Save(ctx context.Context, path string, net *model.Network, target config.Target, tok token.Tokenizer, classes []string, vars engine.Vars, d checkpoint.DType) error {
	return SaveNoted(ctx, path, nil, net, target, tok, classes, vars, d)
}

// SaveNoted is Save with notes among the metadata of the file.
func SaveNoted(ctx context.Context, path string, notes map[string]string, net *model.Network, target config.Target, tok token.Tokenizer, classes []string, vars engine.Vars, d checkpoint.DType) error {
	specs, err := net.AllParams()
	if err != nil {
		return err
	}
	tensors, err := pick(vars, specs)
	if err != nil {
		return err
	}
	if t := vars[model.NameLogvar]; t != nil {
		tensors[model.NameLogvar] = t // as the reference's checkpoints have them
	}
	params := maps.Clone(target.Params)
	for _, key := range net.Ignored { // those of training alone
		delete(params, key)
	}
	params["scale_factor"] = net.ScaleFactor
	unet := config.Target{Target: net.Params.UNet.Target, Params: maps.Clone(net.Params.UNet.Params)}
	unet.Params["num_heads"], unet.Params["num_head_channels"] = net.UNet.NumHeads, net.UNet.NumHeadChannels
	params["unet_config"] = unet
	target.Params = params
	text, err := model.DumpConfig(target)
	if err != nil {
		return err
	}
	meta := map[string]string{}
	maps.Copy(meta, notes)
	meta[metaConfig] = text
	if tok, ok := tok.(*token.WordPiece); ok && tok != token.BERT() {
		meta[metaVocab] = strings.Join(tok.Vocab, "\n")
	}
	if len(classes) > 0 {
		names, err := json.Marshal(classes)
		if err != nil {
			return err
		}
		meta[MetaClasses] = string(names)
	}
	return checkpoint.SaveContext(ctx, path, tensors, meta, d)
}

// SaveFirstStage writes a first stage's weights, found in vars without prefix,
// with its configuration.
func SaveFirstStage(ctx context.Context, path string, cfg autoencoder.Config, vars engine.Vars, d checkpoint.DType) error {
	specs, err := model.StageParams(cfg, "")
	if err != nil {
		return err
	}
	tensors, err := pick(vars, specs)
	if err != nil {
		return err
	}
	target, err := model.EncodeStage(cfg, true)
	if err != nil {
		return err
	}
	text, err := model.DumpConfig(target)
	if err != nil {
		return err
	}
	return checkpoint.SaveContext(ctx, path, tensors, map[string]string{metaConfig: text}, d)
}

// pick takes the parameters that a network has.
func pick(vars engine.Vars, specs []nn.ParamSpec) (map[string]*tensor.Tensor, error) {
	tensors := map[string]*tensor.Tensor{}
	for _, s := range specs {
		t := vars[s.Name]
		if t == nil || !t.Shape.Equal(s.Shape) {
			return nil, fault.Inputf("the weights lack %s of shape %v", s.Name, s.Shape)
		}
		tensors[s.Name] = t
	}
	return tensors, nil
}
