// Package recognise tells what model a weight file in the reference's naming
// holds by the names and shapes of its tensors, for files without their YAML.
//
// What shapes cannot tell is assumed, from the published model of the same
// structure where there is one, and said in Model.Assumed: the noise schedule,
// the factor on latents, the number of attention heads, whether noise or the
// picture is predicted, and what only training or the choice of data needs.
package recognise

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
)

// The kinds of models.
const (
	KindLatentDiffusion = "latent diffusion"
	KindKL              = "KL autoencoder"
	KindVQ              = "VQ autoencoder"
)

// The prefixes of the parts of a latent diffusion model.
const (
	prefixUNet        = "model.diffusion_model."
	prefixFirstStage  = "first_stage_model."
	prefixConditioner = "cond_stage_model."
	prefixEMA         = "model_ema."
)

// Model is what names and shapes say of a file.
type Model struct {
	Kind    string        // KindLatentDiffusion, KindKL or KindVQ
	Target  config.Target // the configuration, as the reference's YAML has it under "model"
	Name    string        // the published model of this structure, as "kl-f8" or "Stable Diffusion v1", or ""
	Assumed []string      // a line for each thing that was assumed, with the setting that changes it
}

func (m *Model) assume(format string, args ...any) {
	m.Assumed = append(m.Assumed, fmt.Sprintf(format, args...))
}

// From recognises a file from the shape of each tensor, in PyTorch's layout.
// The configuration builds the U-Net, the first stage and the conditioner with
// exactly the parameters of the file: it is checked, and an error otherwise.
//
// From sees no values. A file that holds its schedule (betas) or scale_factor
// tells more than this configuration.
func From(shapes map[string][]int) (*Model, error) {
	names := make([]string, 0, len(shapes))
	for name := range shapes {
		names = append(names, name)
	}
	slices.Sort(names)
	prefix, stage := StagePrefix(names)
	whole := anyUnder(names, prefixUNet) && anyUnder(names, prefixFirstStage)
	if stage && !whole {
		return alone(prefix, names, shapes)
	}
	look := NameOther
	if whole {
		look = func(shapes map[string][]int, v Values) (Other, bool) { return others(newFile(shapes), v) }
	}
	if o, ok := look(shapes, Values{}); ok {
		return nil, o.error()
	}
	if whole {
		return latentDiffusion(names, shapes)
	}
	return nil, fault.Filef("%d tensors, %s: no model that is known (none under %s* or encoder.* and decoder.*)", len(names), parts(names), prefixUNet)
}

// anyUnder tells whether one of the sorted names begins with prefix.
func anyUnder(names []string, prefix string) bool {
	i, _ := slices.BinarySearch(names, prefix)
	return i < len(names) && strings.HasPrefix(names[i], prefix)
}

// alone recognises an autoencoder without a diffusion model.
func alone(prefix string, names []string, shapes map[string][]int) (*Model, error) {
	stage, err := readFirstStage(&reader{shapes: shapes, prefix: prefix})
	if err != nil {
		return nil, err
	}
	m := &Model{Kind: stage.kind(), Name: stage.name(), Target: config.Target{Target: stage.target(true), Params: stage.params()}}
	stage.assume(m)
	if err := checkFirstStage(m.Target, stage.Kind, prefix, names, shapes); err != nil {
		return nil, err
	}
	return m, nil
}

// latentDiffusion recognises a whole model.
func latentDiffusion(names []string, shapes map[string][]int) (*Model, error) {
	u, err := readUNet(&reader{shapes: shapes, prefix: prefixUNet})
	if err != nil {
		return nil, err
	}
	stage, err := readFirstStage(&reader{shapes: shapes, prefix: prefixFirstStage})
	if err != nil {
		return nil, err
	}
	if u.OutChannels != stage.EmbedDim {
		return nil, fmt.Errorf("the U-Net gives %d channels, the first stage's latents have %d", u.OutChannels, stage.EmbedDim)
	}
	cond, err := readConditioner(&reader{shapes: shapes, prefix: prefixConditioner}, anyUnder(names, prefixConditioner), u, stage.Factor())
	if err != nil {
		return nil, err
	}
	p := publishedLike(u, cond.target)
	m := &Model{Kind: KindLatentDiffusion, Name: p.nameOf(u, stage)}
	unetTarget := config.Target{Target: config.TargetUNet, Params: unetParams(u, p)}
	stageTarget := config.Target{Target: stage.target(false), Params: stage.params()}
	params := p.params(m, shapes)
	params["channels"] = u.OutChannels
	params["use_ema"] = anyUnder(names, prefixEMA)
	params["unet_config"] = nested(unetTarget)
	params["first_stage_config"] = nested(stageTarget)
	cond.fill(params)
	m.Target = config.Target{Target: cond.model, Params: params}
	p.assumeHeads(m, u)
	stage.assume(m)
	m.Assumed = append(m.Assumed, cond.assumed...)
	if err := checkUNet(unetTarget, names, shapes); err != nil {
		return nil, err
	}
	if err := checkFirstStage(stageTarget, stage.Kind, prefixFirstStage, names, shapes); err != nil {
		return nil, err
	}
	return m, nil
}

// nested is a target inside the arguments of another, as YAML decodes it.
func nested(t config.Target) map[string]any {
	m := map[string]any{"target": t.Target}
	if t.Params != nil {
		m["params"] = t.Params
	}
	return m
}
