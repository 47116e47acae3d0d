package diffusers

import "slices"

// unetFile is what the U-Net's config.json says.
type unetFile struct {
	params           map[string]any // of our UNetModel
	names            table
	in, out, context int // channels
	size             int // of the latent
	assumed          []string
}

// unetFixed are the fields that have to be as in Stable Diffusion v1, with the
// values that mean it.
var unetFixed = []struct {
	field string
	legal []any
}{
	{"only_cross_attention", []any{false}},
	{"dual_cross_attention", []any{false}},
	{"mid_block_only_cross_attention", []any{nil, false}},
	{"cross_attention_norm", []any{nil}},
	{"attention_type", []any{"default"}},
	{"num_attention_heads", []any{nil}},
	{"reverse_transformer_layers_per_block", []any{nil}},
	{"mid_block_type", []any{"UNetMidBlock2DCrossAttn"}},
	{"class_embed_type", []any{nil}},
	{"num_class_embeds", []any{nil}},
	{"class_embeddings_concat", []any{false}},
	{"projection_class_embeddings_input_dim", []any{nil}},
	{"addition_embed_type", []any{nil}},
	{"encoder_hid_dim", []any{nil}},
	{"encoder_hid_dim_type", []any{nil}},
	{"time_embedding_type", []any{"positional"}},
	{"time_embedding_dim", []any{nil}},
	{"time_embedding_act_fn", []any{nil}},
	{"timestep_post_act", []any{nil}},
	{"resnet_time_scale_shift", []any{"default"}},
	{"resnet_skip_time_act", []any{false}},
	{"resnet_out_scale_factor", []any{1.0}},
	{"mid_block_scale_factor", []any{1.0}},
	{"downsample_padding", []any{1.0}},
	{"conv_in_kernel", []any{3.0}},
	{"conv_out_kernel", []any{3.0}},
	{"center_input_sample", []any{false}},
	{"flip_sin_to_cos", []any{true}},
	{"freq_shift", []any{0.0}},
	{"act_fn", []any{"silu", "swish"}},
	{"norm_num_groups", []any{32.0}},
	{"norm_eps", []any{1e-5}},
	{"dropout", []any{0.0}},
}

// readUNet reads the U-Net's config.json.
func readUNet(d directory, folder string) (u unetFile, err error) {
	o, err := d.object(folder + "/" + ConfigFile)
	if err != nil {
		return u, err
	}
	if o.get("_class_name") != "UNet2DConditionModel" {
		o.bad("_class_name", `"UNet2DConditionModel", the U-Net with spatial transformers`)
	}
	for _, f := range unetFixed {
		o.only(f.field, f.legal...)
	}
	u.in, u.out = o.integer("in_channels", 1, maxWidth), o.integer("out_channels", 1, maxWidth)
	u.context = o.uniform("cross_attention_dim", 1, maxWidth)
	layers := o.uniform("layers_per_block", 1, 64)
	first, mult := o.widths()
	attends := o.choices("down_block_types", len(mult), "DownBlock2D", "CrossAttnDownBlock2D")
	up := o.choices("up_block_types", len(mult), "UpBlock2D", "CrossAttnUpBlock2D")
	slices.Reverse(up)
	if o.err == nil && !slices.Equal(attends, up) {
		o.bad("up_block_types", "the counterparts of down_block_types, backwards")
	}
	depth := 1
	if o.has("transformer_layers_per_block") {
		depth = o.uniform("transformer_layers_per_block", 1, 64)
	}
	u.readSize(o)
	u.params = map[string]any{
		"image_size": u.size, "in_channels": u.in, "out_channels": u.out, "model_channels": first,
		"attention_resolutions": resolutions(attends), "num_res_blocks": layers, "channel_mult": mult,
		"use_spatial_transformer": true, "transformer_depth": depth, "context_dim": u.context, "legacy": false,
	}
	o.readHeads(u.params, first, mult)
	switch o.get("use_linear_projection") {
	case nil, false:
	case true:
		u.params["use_linear_in_transformer"] = true
	default:
		o.bad("use_linear_projection", "true or false")
	}
	if o.has("time_cond_proj_dim") {
		u.params["time_cond_proj_dim"] = o.integer("time_cond_proj_dim", 2, maxWidth)
	}
	u.names = unetNames(layers, attends)
	for _, harmless := range []string{"upcast_attention", "addition_embed_type_num_heads", "addition_time_embed_dim"} {
		o.get(harmless) // these change no number without the fields above
	}
	u.assumed = append(u.assumed, o.unknown()...)
	return u, o.err
}

// readHeads reads the number of heads, which attention_head_dim has always held,
// whatever it is called: one for all levels, or one for each.
func (o *object) readHeads(params map[string]any, first int, mult []int) {
	const name = "attention_head_dim"
	list, isList := o.get(name).([]any)
	if !isList || len(list) != len(mult) || allEqual(list) {
		params["num_heads"] = o.uniform(name, 1, maxWidth)
		return
	}
	var heads []int
	width := 0 // of every head, 0 where they differ
	for i, v := range list {
		n, ok := whole(v, 1, first*mult[i])
		if !ok || first*mult[i]%n != 0 {
			o.bad(name, "numbers that divide those of block_out_channels")
			return
		}
		if w := first * mult[i] / n; i == 0 || w == width {
			width = w
		} else {
			width = 0
		}
		heads = append(heads, n)
	}
	if width > 0 {
		params["num_head_channels"] = width
		return
	}
	params["level_heads"] = heads
}

// readSize reads the latent's size, which pictures have by default.
func (u *unetFile) readSize(o *object) {
	u.size = 64
	if o.has("sample_size") {
		u.size = o.uniform("sample_size", 1, maxWidth)
		return
	}
	u.assumed = append(u.assumed, assume(o.file, "sample_size", u.size, ", the latent's width and height"))
}

// resolutions are the downsampling factors of the levels that attend, in the
// order in which the reference lists them.
func resolutions(attends []bool) []int {
	out := []int{}
	for i := len(attends) - 1; i >= 0; i-- {
		if attends[i] {
			out = append(out, 1<<i)
		}
	}
	return out
}
