package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/metric"
	"github.com/ldm-go/ldm/tensor"
)

func reconstruct() *cobra.Command {
	var f modelFlags
	var out string
	var size int
	cmd := &cobra.Command{
		Use:   "reconstruct FOLDER",
		Short: "Send pictures through a first stage and back, and measure the loss",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			stage, err := f.openFirstStage()
			if err != nil {
				return err
			}
			set, err := data.Open(args[0], size)
			if err != nil {
				return err
			}
			const shown = 16
			pairs := tensor.New(2*min(shown, set.Len()), size, size, 3)
			var sum float64
			for i := range set.Len() {
				if err := cmd.Context().Err(); err != nil {
					return err
				}
				x, err := set.Image(i)
				if err != nil {
					return err
				}
				y, err := stage.Reconstruct(x)
				if err != nil {
					return fmt.Errorf("%s: %w", set.Items[i].File, err)
				}
				psnr := metric.PSNR(x.F32, y.F32)
				sum += psnr
				fmt.Printf("%s\tPSNR %.2f dB\n", set.Items[i].File, psnr)
				if i < shown {
					copy(pairs.Row(2*i).F32, x.F32)
					copy(pairs.Row(2*i+1).F32, y.F32)
				}
			}
			fmt.Printf("%d pictures\tPSNR %.2f dB\n", set.Len(), sum/float64(set.Len()))
			if out == "" {
				return nil
			}
			return data.SavePNG(out, data.Grid(pairs, 8))
		},
	}
	f.register(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "PNG with the first pictures beside their reconstructions")
	cmd.Flags().IntVar(&size, "size", 64, "side in pixels that the pictures are scaled to")
	return cmd
}
