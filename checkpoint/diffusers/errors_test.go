package diffusers

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/config"
	"testing/fstest"
)

// TestErrors changes one text of one file, or the whole of it.
func TestErrors(t *testing.T) {
	all := map[string]string{Index: sdIndex, "unet/config.json": sdUNet, "vae/config.json": sdVAE, "text_encoder/config.json": sdText, scheduleName: sdScheduler}
	for _, c := range []struct{ file, from, to, want string }{
		{Index, "", "[1]", "sd/model_index.json: not a JSON object"},
		{Index, "", "null", "sd/model_index.json: null: want a JSON object"},
		{Index, "", "{", "sd/model_index.json: not a JSON object"},
		{Index, "", `{"a": "` + strings.Repeat("a", maxJSON) + `"}`, "more than 16777216 bytes"},
		{Index, `"unet": ["diffusers", "UNet2DConditionModel"]`, `"unet": [null, null]`, "unet is [null,null]: want [library, class] of unet"},
		{Index, `"vae"`, `"vae_2"`, "vae is missing: want [library, class] of vae or vqvae"},
		{Index, `"tokenizer"`, `"text_encoder_2"`, `text_encoder_2 is ["transformers","CLIPTokenizer"]`},
		{"unet/config.json", "UNet2DConditionModel", "UNet2DModel", `_class_name is "UNet2DModel": want "UNet2DConditionModel"`},
		{"unet/config.json", "{", `{"use_linear_projection": 1,`, "use_linear_projection is 1: want true or false"},
		{"unet/config.json", "{", `{"addition_embed_type": "text_time",`, `addition_embed_type is "text_time": want null`},
		{"unet/config.json", "{", `{"num_class_embeds": 10,`, "num_class_embeds is 10: want null"},
		{"unet/config.json", "{", `{"class_embed_type": [1],`, "class_embed_type is [1]: want null"},
		{"unet/config.json", `"attention_head_dim": 8`, `"attention_head_dim": [5, 10, 20, 3]`, "attention_head_dim is [5,10,20,3]: want numbers that divide"},
		{"unet/config.json", `"attention_head_dim": 8`, `"attention_head_dim": []`, "attention_head_dim is []: want"},
		{"unet/config.json", `"layers_per_block": 2`, `"layers_per_block": 2.5`, "layers_per_block is 2.5: want an integer of 1 to 64"},
		{"unet/config.json", `"layers_per_block": 2`, `"layers": 2`, "layers_per_block is missing: want"},
		{"unet/config.json", "[320, 640, 1280, 1280]", "[320, 480]", "block_out_channels is [320,480]: want multiples of 32, and of the first"},
		{"unet/config.json", "[320, 640, 1280, 1280]", "[320, 1e300]", "block_out_channels is [320,1e+300]: want"},
		{"unet/config.json", "[320, 640, 1280, 1280]", `["a"]`, `block_out_channels is ["a"]: want`},
		{"unet/config.json", "[320, 640, 1280, 1280]", "320", "block_out_channels is 320: want a list"},
		{"unet/config.json", "[320, 640, 1280, 1280]", "[320, 640]", "down_block_types is"},
		{"unet/config.json", `"DownBlock2D"`, `"AttnDownBlock2D"`, "down_block_types is"},
		{"unet/config.json", `["UpBlock2D"`, `["CrossAttnUpBlock2D"`, "up_block_types is"},
		{"unet/config.json", `"in_channels": 4`, `"in_channels": 12`, "sd/unet/config.json: in_channels is 12: want 4"},
		{"unet/config.json", `"out_channels": 4`, `"out_channels": 8`, "out_channels is 8: want 4"},
		{"unet/config.json", `"cross_attention_dim": 768`, `"cross_attention_dim": 1024`, "cross_attention_dim is 1024: want 768"},
		{"vae/config.json", "AutoencoderKL", "AsymmetricAutoencoderKL", `_class_name is "AsymmetricAutoencoderKL": want`},
		{"vae/config.json", "{", `{"mid_block_add_attention": false,`, "mid_block_add_attention is false: want true"},
		{"vae/config.json", "{", `{"scaling_factor": "x",`, `scaling_factor is "x": want a number`},
		{"vae/config.json", `"latent_channels": 4`, `"latent_channels": -4`, "latent_channels is -4: want"},
		{"text_encoder/config.json", `"hidden_size": 768`, `"hidden_size": 1024`, "cross_attention_dim is 768: want 1024"},
		{"text_encoder/config.json", `"hidden_act": "quick_gelu"`, `"hidden_act": "relu"`, `hidden_act is "relu": want "quick_gelu" or "gelu"`},
		{"text_encoder/config.json", `"num_hidden_layers": 12,`, ``, "num_hidden_layers is missing: want an integer"},
		{"text_encoder/config.json", `CLIPTextModel`, `T5EncoderModel`, `architectures is ["T5EncoderModel"]: want`},
		{scheduleName, "scaled_linear", "sigmoid", `beta_schedule is "sigmoid": want "scaled_linear", "linear" or "squaredcos_cap_v2"`},
		{scheduleName, "{", `{"prediction_type": "flow_prediction",`, `want "epsilon", "sample" or "v_prediction"`},
		{scheduleName, "{", `{"prediction_type": {},`, `prediction_type is {}: want "epsilon", "sample" or "v_prediction"`},
		{scheduleName, `"trained_betas": null`, `"trained_betas": [2]`, "trained_betas is [2]: want"},
		{scheduleName, `"beta_start": 0.00085`, `"beta_start": -1`, "beta_start is -1: want a number between 0 and 1"},
		{scheduleName, "PNDMScheduler", "FlowMatchEulerDiscreteScheduler", "want a scheduler with betas"},
	} {
		files := stableDiffusion()
		if c.from != "" {
			c.to = replace(all[c.file], c.from, c.to)
		}
		files[c.file] = file(c.to)
		wantError(t, files, c.want)
	}
}

func TestMissingFiles(t *testing.T) {
	for _, name := range []string{Index, "unet/config.json", "vae/config.json", "text_encoder/config.json"} {
		files := stableDiffusion()
		delete(files, name)
		wantError(t, files, "sd/"+name+": file does not exist")
	}
	files := stableDiffusion()
	delete(files, "text_encoder/pytorch_model.bin")
	delete(files, "text_encoder/pytorch_model.fp16.bin")
	wantError(t, files, "sd/text_encoder: no weights: want a file *.safetensors or *.bin")
	files["text_encoder/a.bin"], files["text_encoder/b.bin"] = file(""), file("")
	wantError(t, files, `2 files *.bin, such as "a.bin" and "b.bin"`)
}

func TestShards(t *testing.T) {
	const index = "unet/diffusion_pytorch_model.safetensors.index.json"
	with := func(weightMap string) fstest.MapFS {
		files := stableDiffusion()
		delete(files, "unet/diffusion_pytorch_model.safetensors")
		files[index] = file(`{"metadata": {"total_size": 1}, "weight_map": ` + weightMap + `}`)
		files["unet/m-00001-of-00002.safetensors"] = file("")
		files["unet/m-00002-of-00002.safetensors"] = file("")
		return files
	}
	l := open(t, with(`{"c": "m-00002-of-00002.safetensors", "a": "m-00001-of-00002.safetensors", "b": "m-00001-of-00002.safetensors"}`))
	if want := []string{"unet/m-00001-of-00002.safetensors", "unet/m-00002-of-00002.safetensors"}; !slices.Equal(l.Parts[0].Files, want) {
		t.Errorf("shards %v: want %v", l.Parts[0].Files, want)
	}
	for _, bad := range []string{
		`"../vae/x.safetensors"`, `"/etc/x.safetensors"`, `"sub/x.safetensors"`, `"..\\x.safetensors"`, `"C:x.safetensors"`,
		`".."`, `"."`, `""`, `"x.bin"`, `"a\u0000.safetensors"`, `1`, `null`,
	} {
		wantError(t, with(`{"a": `+bad+`}`), "sd/"+index+`: weight_map: "a" is in `)
	}
	wantError(t, with(`{"a": "x.safetensors"}`), `weight_map: "x.safetensors" is missing in the folder`)
	wantError(t, with(`{}`), "weight_map is {}: want")
	wantError(t, with(`[]`), "weight_map is []: want")
}

// wantError checks that a directory is refused, on one line.
func wantError(t *testing.T, files fstest.MapFS, want string) {
	t.Helper()
	_, err := Open("sd", files)
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 500 {
		t.Errorf("error %v: want %q", err, want)
	}
}

// TestJoined: U-Nets of inpainting and of editing take more channels.
func TestJoined(t *testing.T) {
	for channels, target := range map[string]string{"9": config.TargetLatentInpaint, "8": config.TargetLatentEdit} {
		files := stableDiffusion()
		files["unet/config.json"] = file(replace(sdUNet, `"in_channels": 4`, `"in_channels": `+channels))
		l := open(t, files)
		if l.Target.Target != target || l.Target.Params["conditioning_key"] != "hybrid" {
			t.Errorf("%s channels: %s, %v", channels, l.Target.Target, l.Target.Params["conditioning_key"])
		}
	}
}

// TestComponents: folders that are one component.
func TestComponents(t *testing.T) {
	all := stableDiffusion()
	for folder, want := range map[string]string{"vae": classKL, "unet": "UNet2DConditionModel", "text_encoder": "CLIPTextModel", "scheduler": "a scheduler"} {
		sub, err := fs.Sub(all, folder)
		if err != nil {
			t.Fatal(err)
		}
		if got := Component(folder, sub); got != want {
			t.Errorf("%s: %q, want %q", folder, got, want)
		}
	}
	vae, _ := fs.Sub(all, "vae")
	l, err := OpenStage("vae", vae)
	if err != nil {
		t.Fatal(err)
	}
	folder, names, ok := l.Name("encoder.conv_in.weight")
	if l.Target.Target != config.TargetAutoencoderKL || folder != "." || !ok || names[0] != "encoder.conv_in.weight" || len(l.Parts[0].Files) != 1 {
		t.Errorf("%+v, %s, %v", l, folder, names)
	}
}

// TestMark: JSON of other systems.
func TestMark(t *testing.T) {
	files := stableDiffusion()
	files["unet/config.json"] = file("\xef\xbb\xbf" + strings.ReplaceAll(sdUNet, "\n", "\r\n"))
	open(t, files)
}

func FuzzJSON(f *testing.F) {
	for _, text := range []string{sdUNet, sdVAE, sdText, sdScheduler, sdIndex, "{}", "[", `{"a": 1e999}`, "\xff\xfe{\x00}\x00"} {
		for i := range 5 {
			f.Add(i, text)
		}
	}
	names := []string{Index, "unet/config.json", "vae/config.json", "text_encoder/config.json", scheduleName}
	f.Fuzz(func(t *testing.T, i int, text string) {
		files := stableDiffusion()
		files[names[uint(i)%uint(len(names))]] = file(text)
		l, err := Open("sd", files)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than a line: %q", err)
			}
			return
		}
		l.Name("model.diffusion_model.input_blocks.1.1.proj_in.weight")
		if vae, err := fs.Sub(files, "vae"); err == nil {
			Component("vae", vae)
			OpenStage("vae", vae)
		}
	})
}
