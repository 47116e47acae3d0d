package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/tensor"
)

func convert() *cobra.Command {
	var out, dtype string
	cmd := &cobra.Command{
		Use:     "convert MODEL.safetensors -o OUT.safetensors",
		Short:   "Write a model's weights in another number format",
		Example: "  ldm convert runs/ldm/model.safetensors --dtype f16 -o small.safetensors",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := checkpoint.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			tensors := map[string]*tensor.Tensor{}
			for _, name := range f.Names() {
				if tensors[name], err = f.Read(name); err != nil {
					return err
				}
			}
			if err := checkpoint.Save(out, tensors, f.Metadata(), checkpoint.DType(strings.ToUpper(dtype))); err != nil {
				return err
			}
			st, err := os.Stat(out)
			if err == nil {
				fmt.Printf("%s: %d tensors, %.1f MB\n", out, len(tensors), float64(st.Size())/1e6)
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write")
	cmd.Flags().StringVar(&dtype, "dtype", "f16", "number format: f32, f16 or bf16")
	cmd.MarkFlagRequired("out")
	return cmd
}
