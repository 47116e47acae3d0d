package diffusers

import (
	"strings"
	"testing/fstest"
)

// The files of Stable Diffusion v1.4.
const (
	sdIndex = `{
  "_class_name": "StableDiffusionPipeline",
  "_diffusers_version": "0.2.2",
  "feature_extractor": ["transformers", "CLIPImageProcessor"],
  "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
  "scheduler": ["diffusers", "PNDMScheduler"],
  "text_encoder": ["transformers", "CLIPTextModel"],
  "tokenizer": ["transformers", "CLIPTokenizer"],
  "unet": ["diffusers", "UNet2DConditionModel"],
  "vae": ["diffusers", "AutoencoderKL"]
}`
	sdUNet = `{
  "_class_name": "UNet2DConditionModel",
  "_diffusers_version": "0.2.2",
  "act_fn": "silu",
  "attention_head_dim": 8,
  "block_out_channels": [320, 640, 1280, 1280],
  "center_input_sample": false,
  "cross_attention_dim": 768,
  "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
  "downsample_padding": 1,
  "flip_sin_to_cos": true,
  "freq_shift": 0,
  "in_channels": 4,
  "layers_per_block": 2,
  "mid_block_scale_factor": 1,
  "norm_eps": 1e-05,
  "norm_num_groups": 32,
  "out_channels": 4,
  "sample_size": 64,
  "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]
}`
	sdVAE = `{
  "_class_name": "AutoencoderKL",
  "_diffusers_version": "0.2.2",
  "act_fn": "silu",
  "block_out_channels": [128, 256, 512, 512],
  "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
  "in_channels": 3,
  "latent_channels": 4,
  "layers_per_block": 2,
  "out_channels": 3,
  "sample_size": 512,
  "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]
}`
	sdText = `{
  "_name_or_path": "openai/clip-vit-large-patch14",
  "architectures": ["CLIPTextModel"],
  "attention_dropout": 0.0,
  "bos_token_id": 0,
  "dropout": 0.0,
  "eos_token_id": 2,
  "hidden_act": "quick_gelu",
  "hidden_size": 768,
  "initializer_factor": 1.0,
  "initializer_range": 0.02,
  "intermediate_size": 3072,
  "layer_norm_eps": 1e-05,
  "max_position_embeddings": 77,
  "model_type": "clip_text_model",
  "num_attention_heads": 12,
  "num_hidden_layers": 12,
  "pad_token_id": 1,
  "torch_dtype": "float32",
  "transformers_version": "4.21.0.dev0",
  "vocab_size": 49408
}`
	sdScheduler = `{
  "_class_name": "PNDMScheduler",
  "_diffusers_version": "0.7.0.dev0",
  "beta_end": 0.012,
  "beta_schedule": "scaled_linear",
  "beta_start": 0.00085,
  "num_train_timesteps": 1000,
  "set_alpha_to_one": false,
  "skip_prk_steps": true,
  "steps_offset": 1,
  "trained_betas": null,
  "clip_sample": false
}`
	ldmBert = `{
  "architectures": ["LDMBertModel"],
  "activation_function": "gelu",
  "d_model": 1280,
  "encoder_attention_heads": 8,
  "encoder_ffn_dim": 5120,
  "encoder_layers": 32,
  "head_dim": 64,
  "max_position_embeddings": 77,
  "model_type": "ldmbert",
  "scale_embedding": false,
  "vocab_size": 30522
}`
)

// stableDiffusion is the directory of Stable Diffusion v1.4, with empty weights.
func stableDiffusion() fstest.MapFS {
	return fstest.MapFS{
		Index: file(sdIndex), "unet/config.json": file(sdUNet), "vae/config.json": file(sdVAE),
		"text_encoder/config.json": file(sdText), scheduleName: file(sdScheduler),
		"unet/diffusion_pytorch_model.safetensors":      file(""),
		"unet/diffusion_pytorch_model.fp16.safetensors": file(""),
		"unet/diffusion_pytorch_model.bin":              file(""),
		"vae/diffusion_pytorch_model.fp16.safetensors":  file(""),
		"vae/diffusion_pytorch_model.bin":               file(""),
		"text_encoder/pytorch_model.bin":                file(""),
		"text_encoder/pytorch_model.fp16.bin":           file(""),
	}
}

// textToImage is the directory of the text-to-image model of the paper.
func textToImage() fstest.MapFS {
	return fstest.MapFS{
		Index: file(`{"_class_name": "LDMTextToImagePipeline", "bert": ["latent_diffusion", "LDMBertModel"],
			"unet": ["diffusers", "UNet2DConditionModel"], "vqvae": ["diffusers", "AutoencoderKL"]}`),
		"unet/config.json":                  file(replace(sdUNet, `"cross_attention_dim": 768`, `"cross_attention_dim": 1280`)),
		"vqvae/config.json":                 file(sdVAE),
		"bert/config.json":                  file(ldmBert),
		"unet/diffusion_pytorch_model.bin":  file(""),
		"vqvae/diffusion_pytorch_model.bin": file(""),
		"bert/pytorch_model.bin":            file(""),
	}
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

// replace is strings.Replace of a text that has to be there.
func replace(text, from, to string) string {
	if !strings.Contains(text, from) {
		panic("no " + from)
	}
	return strings.Replace(text, from, to, 1)
}
