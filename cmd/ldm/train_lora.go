package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/modelfile"
	ldmtrain "github.com/ldm-go/ldm/train"
	"github.com/ldm-go/ldm/weights/emoji"
)

const tuneHelp = `

Everything can be said by key=value arguments, as in a configuration (-c). The run
folder holds what those of ldm train diffusion do, and the same command goes on from
its checkpoint.`

// tuneFlags are those of trainings that begin with a whole model.
type tuneFlags struct {
	trainFlags
	base string
}

func (f *tuneFlags) register(cmd *cobra.Command) {
	f.trainFlags.register(cmd)
	cmd.Flags().Lookup("config").Annotations = nil // not required
	cmd.Flags().StringVarP(&f.base, "model", "m", "", "model to begin with: a .safetensors or .ckpt file, or a diffusers folder (base; default: the emoji model in this program)")
}

// overrides are the arguments key=value, with what flags and the folder of pictures
// stand for.
func (f *tuneFlags) overrides(args []string) []string {
	var out []string
	if f.base != "" {
		out = append(out, "base="+f.base)
	}
	for _, arg := range args {
		if key, _, ok := strings.Cut(arg, "="); !ok || strings.ContainsAny(key, `/\`) {
			arg = "data.train=" + arg
		}
		out = append(out, arg)
	}
	return out
}

// runOf is where and how to train.
func (f *tuneFlags) runOf(l *ldmtrain.Loop) (ldmtrain.Run, error) {
	run, err := f.run(l)
	run.Builtin = func() (*modelfile.File, error) { return emoji.Open(modelfile.Options{}) }
	return run, err
}

// done says where the result is.
func (f *tuneFlags) done(file string, err error) error {
	if err == nil {
		status("done: " + filepath.Join(f.out, file))
	}
	return err
}

func trainLoRA() *cobra.Command {
	var f tuneFlags
	cmd := &cobra.Command{
		Use:   "lora PICTURES -m MODEL -o RUN [key=value ...]",
		Short: "Train a LoRA: a small change of a model, from few pictures",
		Long: `Trains a LoRA on a folder of captioned pictures, 5 to 50 of them. The model's weights
stay; two factors of low rank beside each layer learn, and are written in kohya-ss'
form, lora.safetensors, which other programs read, too.

  trigger            word that is put before each caption, and is the whole of it where there is none
  lora.rank          of the factors (8)
  lora.alpha         the change is alpha/rank times what the factors say (as the rank)
  lora.targets       attention, all (the transformers' products, as kohya-ss does), or convolutions as well
  lora.text_encoder  train the text encoder too (false)
  lora.dropout       share of the numbers between the factors that a step leaves out (0)
  prior.prompt       what else the model must not forget, such as "a dog": it draws pictures of that
                     (prior.count, 100; or prior.folder has them), and every second step is on those
  buckets            keep the pictures' proportions, up to so much to 1 (0: squares)
  min_snr_gamma      5 spends less on noise that is nearly invisible (0)
  train.steps        (1000), train.batch_size (1), train.learning_rate (1e-4), train.precision (f32 or bf16)` + tuneHelp,
		Example: "  ldm train lora photos -m sd-v1-5.safetensors -o runs/rex trigger=\"sks dog\" prior.prompt=\"a dog\" train.precision=bf16\n" +
			"  ldm txt2img -m sd-v1-5.safetensors -p \"a sks dog on the moon\" --lora runs/rex/lora.safetensors",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg := ldmtrain.DefaultLoRA()
			if err := config.Load(&cfg, f.configs, f.overrides(args)); err != nil {
				return err
			}
			run, err := f.runOf(&cfg.Train)
			if err != nil {
				return err
			}
			return f.done(ldmtrain.LoRAFile, ldmtrain.LoRA(cmd.Context(), cfg, run))
		},
	}
	f.register(cmd)
	return cmd
}
