package train

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// loadWeights reads the weights that training begins with: all of a model's
// that fit, and a conditioner's from a file of its own.
func (s *secondStage) loadWeights(before *previous, initial *modelfile.File) error {
	specs, err := s.net.DiffusionParams()
	if err != nil {
		return err
	}
	if initial != nil {
		if err := s.begin(initial, specs); err != nil {
			return fmt.Errorf("init: %s: %w", s.cfg.Init, err)
		}
	}
	var cond []nn.ParamSpec
	missing := 0
	for _, p := range specs {
		if isUnder(p.Name, model.PrefixConditioner) {
			cond = append(cond, p)
			if s.vars[p.Name] == nil {
				missing++
			}
		}
	}
	if s.cfg.Conditioner != "" {
		if len(cond) == 0 {
			return fault.Inputf("conditioner is %q, but %s has no weights", s.cfg.Conditioner, s.net.Kind)
		}
		vars, err := readConditioner(s.cfg.Conditioner, cond)
		if err != nil {
			return err
		}
		maps.Copy(s.vars, vars)
		missing = 0
	}
	return s.settleConditioner(before, cond, missing)
}

// settleConditioner decides whether the conditioner is trained: where the
// configuration is silent it is, unless it is CLIP's or comes from a file of its
// own. A frozen one's weights are drawn where no file gave them.
func (s *secondStage) settleConditioner(before *previous, cond []nn.ParamSpec, missing int) error {
	given, said := s.target.Params["cond_stage_trainable"].(bool)
	s.trainsConditioner = given || !said && s.cfg.Conditioner == "" && s.net.Kind != model.CLIPText
	if before != nil && len(cond) > 0 && missing > 0 && !s.trainsConditioner { // the run itself has it
		vars, err := readConditioner(filepath.Join(s.run.Dir, ModelFile), cond)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		maps.Copy(s.vars, vars)
		missing -= len(vars)
	}
	switch {
	case len(cond) == 0:
		s.trainsConditioner = false
		return nil
	case s.trainsConditioner && before != nil: // the checkpoint has it
		return nil
	case s.net.Kind == model.CLIPText && missing > 0:
		return fault.Inputf("the text encoder is CLIP's, which is not trained from nothing: name a file with its weights as conditioner=FILE (a Stable Diffusion v1 checkpoint, or a text_encoder/model.safetensors), or a whole model as init=FILE")
	case s.trainsConditioner:
		return nil
	}
	frozen := engine.Vars{}
	for _, p := range cond {
		if s.vars[p.Name] == nil {
			maps.Copy(s.vars, nn.Initialize([]nn.ParamSpec{p}, s.cfg.Train.Seed))
		}
		frozen[p.Name] = s.vars[p.Name]
	}
	if missing > 0 {
		s.run.line("warning: cond_stage_trainable is false and no file gives the conditioner's weights: it stays as it was drawn")
	}
	s.known.conditioner = digestOfVars(frozen)
	return nil
}

// readConditioner reads a conditioner's weights from a whole model's file or
// from one of its own.
func readConditioner(path string, specs []nn.ParamSpec) (engine.Vars, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, fmt.Errorf("conditioner: %w", err)
	}
	defer f.Close()
	vars := engine.Vars{}
	for _, p := range specs {
		short := strings.TrimPrefix(p.Name, model.PrefixConditioner+".")
		var found *tensor.Tensor
		for _, name := range []string{p.Name, short, strings.TrimPrefix(short, "transformer."), strings.Replace(p.Name, "text_model.", "", 1)} {
			if _, ok := f.Info(name); ok {
				if found, err = f.Read(name); err != nil {
					return nil, err
				}
				break
			}
		}
		switch {
		case found == nil:
			return nil, fault.Inputf("conditioner: %s has no %s, alone or below %s", path, short, model.PrefixConditioner)
		case found.Shape.Size() != p.Shape.Size():
			return nil, fault.Inputf("conditioner: %s: %s is %v, want %v", path, short, found.Shape, p.Shape)
		}
		vars[p.Name] = tensor.Of(found.Float32().F32, p.Shape...)
	}
	return vars, nil
}
