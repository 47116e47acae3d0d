package train

import (
	"maps"
	"path/filepath"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// distillation trains a student of the base.
type distillation struct {
	tuning
	student Student
	factors lora.Factors
	dtype   checkpoint.DType
	teacher *model.Network
}

// prefixTeacher is before the names of the teacher's weights in the graph of a student
// that is a model.
const prefixTeacher = "teacher"

func (t *distillation) guided() bool { return t.student.Most > 1 }

// checkTeacher refuses what cannot be distilled.
func (t *distillation) checkTeacher() error {
	switch {
	case t.net.UNet.NEmbed > 0:
		return fault.Unsupportedf("the base predicts codes, which are no latents: it has no consistency student")
	case t.guided() && t.net.Key != model.KeyCrossAttn:
		return fault.Unsupportedf("the base's conditioning key is %s: guidance is distilled of models with cross-attention alone; want student.guidance_min=1 student.guidance_max=1", t.net.Key)
	case t.guided() && t.net.TextLength() == 0 && t.net.Classes() == 0 || t.guided() && t.net.LayoutTokens():
		return fault.Unsupportedf("the base has no empty condition that guidance leads away from: want student.guidance_min=1 student.guidance_max=1")
	}
	return nil
}

// setStudent adds the student's weights.
func (t *distillation) setStudent() error {
	t.teacher = t.net
	t.sampled = ldm.Request{Sampler: sampler.Consistency(), Guidance: 1}
	if t.student.Embedding > 0 {
		t.sampled.Guidance = (t.student.Least + t.student.Most) / 2
	}
	if t.student.Kind == studentLoRA {
		t.adapter = t.factors.Adapter("", false)
		return nil
	}
	student := *t.net
	t.net = &student
	t.target.Params = maps.Clone(t.target.Params)
	if t.student.Embedding > 0 {
		unet := student.Params.UNet
		unet.Params = maps.Clone(unet.Params)
		unet.Params["time_cond_proj_dim"] = t.student.Embedding
		t.target.Params["unet_config"] = unet
		student.Params.UNet, student.UNet.TimeCondProjDim = unet, t.student.Embedding
	} else {
		t.target.Params["consistency"], student.Params.Consistency = true, true
	}
	specs, err := student.DiffusionParams()
	if err != nil {
		return err
	}
	for _, p := range specs {
		if !isUnder(p.Name, model.PrefixUNet) {
			continue
		}
		if v := t.vars[p.Name]; v != nil {
			t.vars[prefixTeacher+"."+p.Name] = v
			t.vars[p.Name] = v.Float32().Clone()
		} else { // of the guidance, which at first says nothing
			t.vars[p.Name] = tensor.New(p.Shape...)
		}
	}
	return nil
}

func (t *distillation) objectives() []Objective {
	return []Objective{{
		Build: t.build, Moves: t.moves, Optimizer: t.cfg.Train.Optimizer, Averaged: true, Fill: t.fill,
	}}
}

func (t *distillation) moves(name string) bool {
	if t.student.Kind == studentLoRA {
		return isUnder(name, lora.Prefix)
	}
	return isUnder(name, model.PrefixUNet)
}

// export writes the student: a whole model, or a LoRA in the form of kohya-ss.
func (t *distillation) export(dir string) error {
	if t.student.Kind == studentModel {
		return t.exportAs(filepath.Join(dir, ModelFile), t.dtype)
	}
	return writeFactors(t.means, t.net, t.factors, filepath.Join(dir, LoRAFile), t.noted(), t.dtype)
}

// noted is the metadata of a LoRA.
func (t *distillation) noted() map[string]string {
	m := map[string]string{
		"ss_network_module": "networks.lora", "ss_network_dim": decimal(float64(t.factors.Rank)), "ss_network_alpha": decimal(t.factors.Alpha),
		"ss_base_model_version": baseVersion(t.net), "ss_sd_model_name": filepath.Base(t.text), "modelspec.architecture": architecture(t.net) + "/lora",
		"modelspec.title": "lcm-lora", "modelspec.description": "latent consistency distillation: 2 to 8 steps of LCM without guidance",
		lora.MetaConsistency: "true",
	}
	if t.student.Bound {
		m[lora.MetaOnly] = lora.Digest(t.views)
	}
	return m
}
