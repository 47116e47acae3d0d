package diffusers

import (
	"fmt"
	"io/fs"

	"github.com/ldm-go/ldm/fault"
)

// classControl is the class of ControlNets.
const classControl = "ControlNetModel"

// IsControl tells whether a class is that of a ControlNet.
func IsControl(class string) bool { return class == classControl }

// OpenControl reads the JSON file of a directory that is a ControlNet, and lists its
// weight files. What it is like otherwise its tensors tell, and the model that it goes
// with.
func OpenControl(name string, fsys fs.FS) (files []string, err error) {
	d := directory{name, fsys}
	o, err := d.object(ConfigFile)
	if err != nil {
		return nil, fault.As(fault.File, err)
	}
	if o.get("_class_name") != classControl {
		o.bad("_class_name", "%q", classControl)
	}
	o.only("controlnet_conditioning_channel_order", "rgb")
	o.only("global_pool_conditions", false)
	o.only("conditioning_channels", 3.0)
	for _, field := range []string{"class_embed_type", "addition_embed_type", "encoder_hid_dim", "encoder_hid_dim_type", "num_class_embeds"} {
		o.only(field, nil)
	}
	o.only("resnet_time_scale_shift", "default")
	o.only("act_fn", "silu", "swish")
	o.only("norm_num_groups", 32.0)
	if o.err != nil {
		return nil, fault.As(fault.Unsupported, o.err)
	}
	files, err = weights(d, ".")
	return files, fault.As(fault.File, err)
}

// ControlNames leads from the parameters of a ControlNet, whose U-Net is that of
// UNetNames and whose picture's embedding has so many convolutions, to what diffusers
// calls them.
func ControlNames(n int, attends []bool, hints int) func(ours string) []string {
	t := unetNames(n, attends)
	const embedding = "controlnet_cond_embedding."
	for i := range hints {
		name := fmt.Sprintf("blocks.%d", i-1)
		switch i {
		case 0:
			name = "conv_in"
		case hints - 1:
			name = "conv_out"
		}
		t[fmt.Sprintf("input_hint_block.%d", 2*i)] = module{name: embedding + name}
	}
	for i := range 1 + len(attends)*(n+1) {
		t[fmt.Sprintf("zero_convs.%d.0", i)] = module{name: fmt.Sprintf("controlnet_down_blocks.%d", i)}
	}
	t["middle_block_out.0"] = module{name: "controlnet_mid_block"}
	return t.lookup
}
