package model

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// Configurations that between them have a place for every key.
const (
	latentBase = `model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    timesteps: 20
    linear_start: 0.0015
    linear_end: 0.0195
    image_size: 8
    conditioning_key: KEY
    BETAS
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params: {in_channels: IN, out_channels: 4, model_channels: 64, num_res_blocks: 1, attention_resolutions: [2, 1], channel_mult: [1, 2], num_heads: 4, UNET}
    first_stage_config: STAGE
    cond_stage_config: COND
`
	klStage = `{target: ldm.models.autoencoder.AutoencoderKL, params: {embed_dim: 4, ddconfig: {double_z: true, z_channels: 4, resolution: 16,
      in_channels: 3, out_ch: 3, ch: 32, ch_mult: [1, 2], num_res_blocks: 1, attn_resolutions: []}}}`
	vqStage = `{target: ldm.models.autoencoder.VQModelInterface, params: {embed_dim: 4, n_embed: 16, ddconfig: {double_z: false, z_channels: 4,
      resolution: 16, in_channels: 3, out_ch: 3, ch: 32, ch_mult: [1, 2], num_res_blocks: 1, attn_resolutions: [8]}}}`
	attends = "use_spatial_transformer: true, context_dim: 32"
)

// base is a configuration with the type of its conditioner's arguments. If only is
// set, keys that begin otherwise are left to the other configurations.
type base struct {
	yaml string
	cond any
	only string
}

func bases() map[string]base {
	fill := func(gaps ...string) string { return strings.NewReplacer(gaps...).Replace(latentBase) }
	text := `{target: ldm.modules.encoders.modules.BERTEmbedder, params: {n_embed: 32, n_layer: 1, vocab_size: 50, max_seq_len: 8}}`
	return map[string]base{
		"text":     {fill("KEY", "crossattn", "IN", "4", "BETAS", "v_posterior: 0", "UNET", attends, "STAGE", klStage, "COND", text), conditioner.Transformer{}, ""},
		"class":    {fill("KEY", "adm", "IN", "4", "BETAS", "beta_schedule: cosine", "UNET", "num_classes: 5, resblock_updown: true", "STAGE", vqStage, "COND", `{target: ldm.modules.encoders.modules.ClassEmbedder, params: {embed_dim: 32, n_classes: 5}}`), conditioner.ClassEmbedder{}, ""},
		"embedded": {fill("KEY", "crossattn", "IN", "4", "BETAS", "v_posterior: 0", "UNET", attends, "STAGE", klStage, "COND", `{target: ldm.modules.encoders.modules.ClassEmbedder, params: {embed_dim: 32, n_classes: 5}}`), conditioner.ClassEmbedder{}, "cond_stage_config."},
		"map":      {fill("KEY", "concat", "IN", "7", "BETAS", "v_posterior: 0", "UNET", "use_scale_shift_norm: false", "STAGE", vqStage, "COND", `{target: ldm.modules.encoders.modules.SpatialRescaler, params: {n_stages: 1, in_channels: 12, out_channels: 3}}`), conditioner.SpatialRescaler{}, "cond_stage_config."},
		"silent":   {strings.Replace(fill("IN", "7", "BETAS", "v_posterior: 0", "UNET", "use_scale_shift_norm: false", "STAGE", vqStage, "COND", `{target: torch.nn.Identity}`), "conditioning_key: KEY", "concat_mode: true", 1), struct{}{}, "con"},
		"hybrid":   {strings.Replace(fill("KEY", "hybrid", "IN", "9", "BETAS", "v_posterior: 0", "UNET", attends, "STAGE", klStage, "COND", text), config.TargetLatentDiffusion, config.TargetLatentInpaint, 1), conditioner.Transformer{}, "concat"},
		"heads":    {fill("KEY", "crossattn", "IN", "4", "BETAS", "v_posterior: 0", "num_heads: 4", "num_head_channels: 24", "UNET", attends, "STAGE", klStage, "COND", text), conditioner.Transformer{}, "unet_config.params.legacy"},
		"clip": {fill("KEY", "crossattn", "IN", "4", "BETAS", "v_posterior: 0", "UNET", "use_spatial_transformer: true, context_dim: 768", "STAGE", klStage,
			"COND", `{target: ldm.modules.encoders.modules.FrozenCLIPEmbedder, params: {version: openai/clip-vit-large-patch14}}`), conditioner.FrozenCLIP{}, "cond_stage_config."},
		"openclip": {fill("KEY", "crossattn", "IN", "4", "BETAS", "v_posterior: 0", "UNET", attends, "STAGE", klStage,
			"COND", `{target: ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder, params: {width: 32, heads: 2, layers: 2, vocab_size: 50}}`), conditioner.FrozenOpenCLIP{}, "cond_stage_config."},
		"textmodel": {fill("KEY", "crossattn", "IN", "4", "BETAS", "v_posterior: 0", "UNET", attends, "STAGE", klStage,
			"COND", `{target: transformers.CLIPTextModel, params: {hidden_size: 32, num_attention_heads: 2, num_hidden_layers: 2, intermediate_size: 64, vocab_size: 50}}`), conditioner.CLIPTextModel{}, "cond_stage_config."},
		"levels": {fill("KEY", "crossattn", "IN", "4", "BETAS", "v_posterior: 0", "num_heads: 4", "level_heads: [2, 4]", "UNET", attends, "STAGE", klStage, "COND", text), conditioner.Transformer{}, "unet_config.params.level_heads"},
	}
}

// TestEveryKeyCounts: a key of a model's YAML changes what is computed, or is
// refused, or is one of the tables of training and of other programs.
func TestEveryKeyCounts(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a network for every key")
	}
	changed, refused, inert := map[string]bool{}, map[string]bool{}, map[string][]string{} // and the values that change nothing
	for name, b := range bases() {
		before, err := effects(b.yaml)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for key, kind := range keysOf(b.cond) {
			if !strings.HasPrefix(key, b.only) {
				continue
			}
			for _, value := range candidates(kind) {
				after, err := effects(b.yaml, "model.params."+key+"="+value)
				if err == nil && after == before {
					inert[key] = append(inert[key], name+": "+value)
					continue
				}
				changed[key] = changed[key] || err == nil
				refused[key] = refused[key] || err != nil
			}
		}
	}
	for key, values := range inert {
		_, training := Training[key]
		_, elsewhere := Elsewhere[key]
		switch listed := training || elsewhere; {
		case changed[key] && listed && key != "cond_stage_key":
			t.Errorf("%s changes what is computed: it does not belong into the tables", key)
		case !changed[key] && !refused[key] && !listed:
			t.Errorf("%s is accepted and changes nothing: %v", key, values)
		}
	}
	for _, table := range []map[string]string{Training, Elsewhere} {
		for key := range table {
			if inert[key] == nil {
				t.Errorf("%s of the tables is no key", key)
			}
		}
	}
}

// keysOf are the keys of a LatentDiffusion's parameters, and of what is in it.
func keysOf(cond any) map[string]reflect.Type {
	keys := map[string]reflect.Type{}
	add := func(prefix string, v any) {
		for name, kind := range yamlFields(reflect.TypeOf(v)) {
			keys[prefix+name] = kind
		}
	}
	add("", Params{})
	add("unet_config.params.", unet.Config{})
	add("first_stage_config.params.", autoencoder.Config{})
	add("first_stage_config.params.ddconfig.", autoencoder.DDConfig{})
	add("cond_stage_config.params.", cond)
	for _, whole := range []string{"unet_config", "first_stage_config", "cond_stage_config", "first_stage_config.params.ddconfig"} {
		delete(keys, whole)
	}
	return keys
}

func yamlFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(options, "inline"):
			maps.Copy(fields, yamlFields(f.Type))
		case name != "" && name != "-":
			fields[name] = f.Type
		}
	}
	return fields
}

// candidates are values to try for a type of key.
func candidates(t reflect.Type) []string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if _, ok := reflect.New(t).Interface().(interface{ UnmarshalText([]byte) error }); ok {
		return []string{"cosine", "sqrt", "x0", "v", "l1", "huber", "concat", "crossattn", "hybrid", "adm", "linear", "none", "vanilla", "nearest", "bicubic", "area"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return []string{"true", "false"}
	case reflect.Int, reflect.Int32:
		return []string{"-2", "1", "3", "64"}
	case reflect.Float64:
		return []string{"0.001", "0.5", "2"}
	case reflect.String:
		return []string{"other", "linear", "none", "nearest", "bicubic", "coordinates_bbox", "hidden", "penultimate", "ViT-L-14", "gelu"}
	case reflect.Slice:
		return []string{"[1]", "[1, 2, 2]", "[0.1, 0.2]", "[other]", "[masked_image, mask]"}
	case reflect.Struct:
		return []string{"{target: other}"}
	}
	return []string{"{target: other}", "other", "3", "[1, 2]"}
}

// effects is all that a configuration leads to: parameters, graphs, noise levels
// and what the library asks the network.
func effects(yaml string, overrides ...string) (string, error) {
	var file struct {
		Model config.Target `yaml:"model"`
	}
	if err := config.Parse(&file, "base.yaml", []byte(yaml), overrides); err != nil {
		return "", err
	}
	n, err := New(file.Model)
	if err != nil {
		return "", err
	}
	keys, err := n.StateDict()
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		fmt.Fprintln(&out, name, keys[name])
	}
	s := n.Schedule
	fmt.Fprintln(&out, s.Betas, s.PosteriorVariance, s.PosteriorLogVarianceClip, s.LVLBWeights, s.Parameterization)
	fmt.Fprintln(&out, n.Key, n.Kind, n.ScaleFactor, n.Params.ImageSize, n.Classes(), n.TextLength(), n.TakesText(), n.LayoutTokens(), n.LatentFirst(), n.DefaultGuidance())
	if n.CLIP != nil {
		fmt.Fprintln(&out, *n.CLIP)
	}
	for _, build := range []func(b nn.Builder){
		func(b nn.Builder) {
			n.Denoise(b, n.DenoiserInputs(b.G, 1, 8, 8, 4))
		},
		func(b nn.Builder) { n.Condition(b, 1, min(max(n.TextLength(), 1), 8)) },
		func(b nn.Builder) {
			if n.TakesPictures() || n.Inpaints() {
				n.ConditionPicture(b, b.G.Input("x", 1, 16, 16, n.PictureChannels()))
			}
		},
		func(b nn.Builder) {
			n.FirstStage.Encode(b, b.G.Input("x", 1, 16, 16, n.FirstStage.PictureChannels()))
			n.FirstStage.Decode(b, b.G.Input("z", 1, 8, 8, n.FirstStage.LatentChannels()))
		},
	} {
		g := graph.New()
		build(nn.NewBuilder(g))
		if err := g.Err(); err != nil {
			return "", err
		}
		for _, node := range g.Nodes() {
			fmt.Fprintf(&out, "%d %T%+v %v", node.ID, node.Op, node.Op, node.Out)
			for _, in := range node.Inputs {
				fmt.Fprint(&out, " ", in.Node.ID)
			}
			fmt.Fprintln(&out)
		}
	}
	return out.String(), nil
}
