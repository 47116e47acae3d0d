package lora

import (
	"context"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Write writes trained factors, as Factors name them in vars, in the form of kohya-ss,
// which other programs read: two tensors and alpha for each module.
func (f Factors) Write(ctx context.Context, path string, b *Base, vars engine.Vars, meta map[string]string, d checkpoint.DType) error {
	names := make([]string, 0, len(vars))
	for name := range vars {
		names = append(names, name)
	}
	tensors := map[string]*tensor.Tensor{}
	for _, module := range Modules(names) {
		theirs := b.written[module]
		down, up := vars[Prefix+"."+module+endDown], vars[Prefix+"."+module+endUp]
		if theirs == "" || up == nil || b.modules[theirs] != module {
			return fault.Inputf("%s has no name in LoRA files", module)
		}
		alpha := f.Alpha
		if isSpatial(down.Shape) {
			alpha = f.ConvAlpha
		}
		tensors[theirs+".lora_down.weight"], tensors[theirs+".lora_up.weight"] = down, up
		tensors[theirs+".alpha"] = tensor.Of([]float32{float32(alpha)})
	}
	if len(tensors) == 0 {
		return fault.Inputf("there are no factors to write")
	}
	return checkpoint.SaveContext(ctx, path, tensors, meta, d)
}
