package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/output"
)

func convert() *cobra.Command {
	var f modelFlags
	var out, dtype string
	cmd := &cobra.Command{
		Use:   "convert MODEL -o OUT.safetensors",
		Short: "Write a model as a safetensors file",
		Long: `Writes a model (.safetensors, .ckpt or a diffusers folder) as one safetensors file
under the reference's names, with its configuration inside. Optimizer states,
buffers and the weights not chosen by --weights are left out.`,
		Example: "  ldm convert model.ckpt -c config.yaml --weights ema --dtype f16 -o model.safetensors",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			format := checkpoint.DType(strings.ToUpper(dtype))
			if format != checkpoint.F32 && format != checkpoint.F16 && format != checkpoint.BF16 {
				return fmt.Errorf("--dtype %s: want f32, f16 or bf16", dtype)
			}
			if ext := strings.ToLower(filepath.Ext(out)); ext != "" && ext != ".safetensors" && !output.Stream(out) {
				return fault.Inputf("%s: models are not written as %s: want a name that ends with .safetensors", out, ext)
			}
			if err := output.Check(out); err != nil {
				return err
			}
			s, err := modelfile.Open(args[0], f.load)
			if err != nil {
				return err
			}
			defer s.Close()
			if err := write(cmd.Context(), s, out, format); err != nil {
				return err
			}
			if st, err := os.Stat(out); err == nil && st.Mode().IsRegular() && !output.Stream(out) {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %.1f MB\n", out, float64(st.Size())/1e6)
				return err
			}
			return nil
		},
	}
	f.registerLoad(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write")
	cmd.Flags().StringVar(&dtype, "dtype", "f16", "number format: f32, f16 or bf16")
	cmd.MarkFlagRequired("out")
	return cmd
}

func write(ctx context.Context, s *modelfile.File, out string, format checkpoint.DType) error {
	if !model.IsDiffusion(s.Target) {
		cfg, vars, err := s.FirstStage()
		if err != nil {
			return err
		}
		return modelfile.SaveFirstStage(ctx, out, cfg, vars, format)
	}
	net, err := s.Network()
	if err != nil {
		return err
	}
	vars, err := s.Weights(net)
	if err != nil {
		return err
	}
	tok, err := s.Tokenizer(net)
	if err != nil {
		return err
	}
	return modelfile.Save(ctx, out, net, s.Target, tok, s.Classes(), vars, format)
}
