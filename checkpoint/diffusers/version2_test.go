package diffusers

import (
	"maps"
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/ldm-go/ldm/config"
)

// version2 is the directory of Stable Diffusion v2, as far as it differs.
func version2() fstest.MapFS {
	files := maps.Clone(stableDiffusion())
	unet := replace(replace(sdUNet, `"cross_attention_dim": 768`, `"cross_attention_dim": 1024`), "{", `{"use_linear_projection": true, "num_class_embeds": null,`)
	files["unet/config.json"] = file(replace(replace(unet, `"attention_head_dim": 8`, `"attention_head_dim": [5, 10, 20, 20]`), `"sample_size": 64`, `"sample_size": 96`))
	text := replace(replace(sdText, `"hidden_size": 768`, `"hidden_size": 1024`), `"num_hidden_layers": 12`, `"num_hidden_layers": 23`)
	text = replace(replace(text, `"num_attention_heads": 12`, `"num_attention_heads": 16`), `"intermediate_size": 3072`, `"intermediate_size": 4096`)
	files["text_encoder/config.json"] = file(replace(text, `"hidden_act": "quick_gelu"`, `"hidden_act": "gelu"`))
	files["tokenizer/special_tokens_map.json"] = file(`{"bos_token": {"content": "<|startoftext|>"}, "pad_token": "!"}`)
	files["tokenizer/tokenizer_config.json"] = file(`{"pad_token": "<|endoftext|>"}`)
	files[scheduleName] = file(replace(sdScheduler, "{", `{"prediction_type": "v_prediction",`))
	return files
}

// TestVersion2: heads of 64 channels, matrices around the transformers, OpenCLIP's
// tower without its last layer, texts filled up with zeros, v.
func TestVersion2(t *testing.T) {
	l := open(t, version2())
	params := l.Target.Params
	inside := func(name string) map[string]any {
		m, _ := params[name].(map[string]any)
		p, _ := m["params"].(map[string]any)
		return p
	}
	unet, text := inside("unet_config"), inside("cond_stage_config")
	for name, pair := range map[string][2]any{
		"heads":      {unet["num_head_channels"], 64},
		"number":     {unet["num_heads"], nil},
		"linear":     {unet["use_linear_in_transformer"], true},
		"prediction": {params["parameterization"], "v"},
		"size":       {params["image_size"], 96},
		"encoder":    {params["cond_stage_config"].(map[string]any)["target"], config.TargetCLIPTextModel},
		"layers":     {text["num_hidden_layers"], 23},
		"gelu":       {text["hidden_act"], "gelu"},
		"pad":        {text["pad_token"], 0},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %v, want %v", name, pair[0], pair[1])
		}
	}
}

// TestLevelHeads: heads that differ in width have a list of their own.
func TestLevelHeads(t *testing.T) {
	files := stableDiffusion()
	files["unet/config.json"] = file(replace(sdUNet, `"attention_head_dim": 8`, `"attention_head_dim": [8, 8, 16, 16]`))
	l := open(t, files)
	unet := l.Target.Params["unet_config"].(map[string]any)["params"].(map[string]any)
	if !reflect.DeepEqual(unet["level_heads"], []int{8, 8, 16, 16}) || unet["num_heads"] != nil {
		t.Errorf("heads %v, %v", unet["level_heads"], unet["num_heads"])
	}
}
