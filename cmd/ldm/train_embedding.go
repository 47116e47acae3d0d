package main

import (
	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/adapter/embedding"
	"github.com/ldm-go/ldm/config"
	ldmtrain "github.com/ldm-go/ldm/train"
)

func trainEmbedding() *cobra.Command {
	var f tuneFlags
	cmd := &cobra.Command{
		Use:   "embedding PICTURES -m MODEL -o RUN trigger=WORD [key=value ...]",
		Short: "Teach a model's text encoder a word, from few pictures",
		Long: `Trains a word (textual inversion): vectors that stand in prompts for its tokens, while
all weights of the model stay. The model has CLIP's text encoder, as Stable Diffusion.

  trigger            the word, such as "<rex>"; it stands before captions that do not have it
  embedding.vectors  how many stand for it (1)
  embedding.init     words whose vectors they begin as, such as "dog"
  embedding.kind     what pictures without captions are called: object (a photo of <rex>, ...) or style
  embedding.form     diffusers (learned_embeds.safetensors) or a1111 (WORD.safetensors)
  train.steps        (3000), train.learning_rate (5e-4), train.batch_size (1), train.precision (f32 or bf16)` + tuneHelp,
		Example: "  ldm train embedding photos -m sd-v1-5.safetensors -o runs/rex trigger=\"<rex>\" embedding.init=dog embedding.vectors=2\n" +
			"  ldm txt2img -m sd-v1-5.safetensors --embedding runs/rex/learned_embeds.safetensors -p \"<rex> on the moon\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg := ldmtrain.DefaultEmbedding()
			if err := config.Load(&cfg, f.configs, f.overrides(args)); err != nil {
				return err
			}
			run, err := f.runOf(&cfg.Train)
			if err != nil {
				return err
			}
			file := ldmtrain.EmbeddingFile
			if cfg.Embedding.Form == embedding.A1111 {
				file = cfg.Trigger + ".safetensors"
			}
			return f.done(file, ldmtrain.Embedding(cmd.Context(), cfg, run))
		},
	}
	f.register(cmd)
	return cmd
}
