package config

// Targets of the reference's YAML, and of diffusers for what that has not.
const (
	TargetAutoencoderKL    = "ldm.models.autoencoder.AutoencoderKL"
	TargetVQModel          = "ldm.models.autoencoder.VQModel"          // alone
	TargetVQModelInterface = "ldm.models.autoencoder.VQModelInterface" // in a diffusion model
	TargetIdentityStage    = "ldm.models.autoencoder.IdentityFirstStage"
	TargetAutoencoderTiny  = "diffusers.AutoencoderTiny"
	TargetTamingVQModel    = "taming.models.vqgan.VQModel" // the same network
	TargetLatentDiffusion  = "ldm.models.diffusion.ddpm.LatentDiffusion"
	TargetLatentInpaint    = "ldm.models.diffusion.ddpm.LatentInpaintDiffusion" // of Stable Diffusion's inpainting
	TargetLatentEdit       = "ldm.models.diffusion.ddpm_edit.LatentDiffusion"   // of instruct-pix2pix
	TargetUNet             = "ldm.modules.diffusionmodules.openaimodel.UNetModel"
	TargetTransformer      = "ldm.modules.encoders.modules.BERTEmbedder"
	TargetPlainTransformer = "ldm.modules.encoders.modules.TransformerEmbedder"
	TargetClassEmbedder    = "ldm.modules.encoders.modules.ClassEmbedder"
	TargetSpatialRescaler  = "ldm.modules.encoders.modules.SpatialRescaler"
	TargetFrozenCLIP       = "ldm.modules.encoders.modules.FrozenCLIPEmbedder"
	TargetFrozenOpenCLIP   = "ldm.modules.encoders.modules.FrozenOpenCLIPEmbedder" // of Stable Diffusion v2
	TargetCLIPTextModel    = "transformers.CLIPTextModel"                          // of diffusers' folders
	TargetIdentity         = "torch.nn.Identity"
)

// Conditioners that the YAML names without a target.
const (
	Unconditional    = "__is_unconditional__"
	FirstStageAsCond = "__is_first_stage__"
)
