package diffusers

import (
	"path"
	"slices"

	"github.com/ldm-go/ldm/config"
)

const defaultScale = 0.18215 // scaling_factor of diffusers, where a file has none

// stageFile is what the first stage's config.json says.
type stageFile struct {
	target  string
	params  map[string]any
	names   table
	latent  int // channels
	scale   float64
	assumed []string

	scaleAssumed []string // those among them about scale
}

// readStage reads the first stage's config.json, an AutoencoderKL or a VQModel.
func readStage(d directory, folder string) (v stageFile, err error) {
	o, err := d.object(path.Join(folder, ConfigFile))
	if err != nil {
		return v, err
	}
	v.target = config.TargetAutoencoderKL
	vq := o.get("_class_name") == classVQ
	if vq {
		v.target = config.TargetVQModelInterface
	} else if o.get("_class_name") != classKL {
		o.bad("_class_name", `"AutoencoderKL" or "VQModel"`)
	}
	o.checkStage()
	layers := o.uniform("layers_per_block", 1, 64)
	first, mult := o.widths()
	attends := o.choices("down_block_types", len(mult), "DownEncoderBlock2D", "AttnDownEncoderBlock2D")
	up := o.choices("up_block_types", len(mult), "UpDecoderBlock2D", "AttnUpDecoderBlock2D")
	slices.Reverse(up)
	if o.err == nil && !slices.Equal(attends, up) {
		o.bad("up_block_types", "the counterparts of down_block_types, backwards")
	}
	z := o.integer("latent_channels", 1, maxWidth)
	v.latent = z
	v.params = map[string]any{}
	if vq {
		v.params["n_embed"] = o.integer("num_vq_embeddings", 1, maxWidth)
		if o.has("vq_embed_dim") {
			v.latent = o.integer("vq_embed_dim", 1, maxWidth)
		}
	}
	size := v.readSize(o, attends)
	v.params["embed_dim"] = v.latent
	v.params["ddconfig"] = map[string]any{
		"double_z": !vq, "z_channels": z, "resolution": size,
		"in_channels": o.integer("in_channels", 1, maxWidth), "out_ch": o.integer("out_channels", 1, maxWidth),
		"ch": first, "ch_mult": mult, "num_res_blocks": layers,
		"attn_resolutions": stageResolutions(size, attends), "dropout": 0.0,
	}
	v.readScale(o)
	v.names = stageNames(layers, attends, vq)
	v.assumed = append(v.assumed, o.unknown()...)
	return v, o.err
}

// checkStage refuses what our first stages do not express.
func (o *object) checkStage() {
	o.only("act_fn", "silu", "swish")
	o.only("norm_num_groups", 32.0)
	o.only("norm_type", "group")
	o.only("mid_block_add_attention", true)
	o.only("use_quant_conv", true)
	o.only("use_post_quant_conv", true)
	o.only("lookup_from_codebook", false)
	o.only("shift_factor", nil, 0.0)
	o.only("latents_mean", nil)
	o.only("latents_std", nil)
	o.get("force_upcast") // a hint for half precision
}

// readSize reads the pictures' size. It tells our first stages which levels
// attend, and must halve as often as that needs.
func (v *stageFile) readSize(o *object, attends []bool) int {
	size := 256
	if o.has("sample_size") {
		size = o.uniform("sample_size", 1, maxWidth)
	} else {
		v.assumed = append(v.assumed, assume(o.file, "sample_size", size, ", the pictures' width and height"))
	}
	if f := 1 << (len(attends) - 1); slices.Contains(attends, true) && size%f != 0 {
		o.bad("sample_size", "a multiple of %d, as levels have attention", f)
	}
	return size
}

// stageResolutions are the sizes of the levels that attend.
func stageResolutions(size int, attends []bool) []int {
	out := []int{}
	for i, a := range attends {
		if a {
			out = append(out, size>>i)
		}
	}
	return out
}

// readScale reads the factor of the latents.
func (v *stageFile) readScale(o *object) {
	v.scale = defaultScale
	if o.has("scaling_factor") {
		v.scale = o.number("scaling_factor", 0, 1e6)
		return
	}
	v.scaleAssumed = []string{assume(o.file, "scaling_factor", v.scale, ", by which latents are multiplied")}
	v.assumed = append(v.assumed, v.scaleAssumed...)
}
