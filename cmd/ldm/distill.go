package main

import (
	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/config"
	ldmtrain "github.com/ldm-go/ldm/train"
)

func distill() *cobra.Command {
	var f tuneFlags
	cmd := &cobra.Command{
		Use:   "distill PICTURES -m TEACHER -o RUN [key=value ...]",
		Short: "Train a student of a model that needs four steps",
		Long: `Trains a consistency student of a model (latent consistency distillation, Luo et al.,
arXiv 2310.04378) on pictures like those that the model was trained on: it learns to
say at once where the guided model gets to in many steps. It is sampled by 2 to 8
steps of LCM.

  student.kind                model (all weights of the U-Net: model.safetensors) or lora (lora.safetensors,
                              with which --lora gives the teacher a student's defaults)
  student.bound               true: the LoRA is refused on any other model than its teacher (false)
  student.guidance_min, _max  scales of the teacher's guidance, drawn for each example (3 and 3)
  student.guidance_embedding  channels by which a model is told the scale, which requests then
                              may choose, as published LCMs have it (256; 0: it is not told)
  lora.rank                   of a student that is a LoRA (64)
  train.ema_decay             of the averages that the student learns from (0.95)
  train.steps                 (1000), train.batch_size (16), train.learning_rate (1e-4), train.precision (f32 or bf16)` + tuneHelp,
		Example: "  ldm distill pictures -m sd-v1-5.safetensors -o runs/lcm student.kind=lora student.guidance_min=5 student.guidance_max=9\n" +
			"  ldm txt2img -m sd-v1-5.safetensors --lora runs/lcm/lora.safetensors -p \"a lighthouse\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg := ldmtrain.DefaultDistill()
			if err := config.Load(&cfg, f.configs, f.overrides(args)); err != nil {
				return err
			}
			run, err := f.runOf(&cfg.Train)
			if err != nil {
				return err
			}
			file := ldmtrain.ModelFile
			if cfg.Student.Kind == "lora" {
				file = ldmtrain.LoRAFile
			}
			return f.done(file, ldmtrain.Distill(cmd.Context(), cfg, run))
		},
	}
	f.register(cmd)
	return cmd
}
