package lora

import (
	"context"
	"strings"

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
		if len(theirs) == 0 || up == nil || !strings.HasPrefix(b.modules[theirs[0]].weight, module) {
			return fault.Inputf("%s has no name in LoRA files", module)
		}
		alpha := f.Alpha
		if isSpatial(down.Shape) {
			alpha = f.ConvAlpha
		}
		for _, name := range theirs {
			rows := b.modules[name].rows(up.F32)
			shape := append(tensor.Shape{up.Shape[0] / len(theirs)}, up.Shape[1:]...)
			tensors[name+".lora_down.weight"], tensors[name+".lora_up.weight"] = down, tensor.Of(rows, shape...)
			tensors[name+".alpha"] = tensor.Of([]float32{float32(alpha)})
		}
	}
	if len(tensors) == 0 {
		return fault.Inputf("there are no factors to write")
	}
	return checkpoint.SaveContext(ctx, path, tensors, meta, d)
}
