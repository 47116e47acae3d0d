package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric"
	"github.com/ldm-go/ldm/tensor"
)

func reconstruct() *cobra.Command {
	var f modelFlags
	var out string
	var size int
	cmd := &cobra.Command{
		Use:   "reconstruct PICTURE|FOLDER...",
		Short: "Send pictures through a first stage and back, and measure the loss",
		Long: `Encodes and decodes pictures with the first stage of a model (or one that stands
alone), through the posterior's mean or the codebook, and prints PSNR (dB) and
SSIM of each and their means. With -o, every picture is written beside its
reconstruction.`,
		Example: `  ldm reconstruct emoji/validation --size 64
  ldm reconstruct photos -m kl-f8.ckpt -o pairs`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := data.Pictures(args)
			if err != nil {
				return err
			}
			if out != "" {
				if err := os.MkdirAll(out, 0o777); err != nil {
					return err
				}
			}
			stage, err := f.openFirstStage()
			if err != nil {
				return err
			}
			if err := bothHalves(stage.Config, f.path); err != nil {
				return err
			}
			var sum quality
			for i, file := range files {
				if err := cmd.Context().Err(); err != nil {
					return err
				}
				q, err := reconstructOne(cmd.Context(), stage, file, size, pairPath(out, file, i))
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s\tPSNR %.2f dB\tSSIM %.4f\n", file, q.psnr, q.ssim)
				sum.psnr, sum.ssim = sum.psnr+q.psnr, sum.ssim+q.ssim
			}
			n := float64(len(files))
			fmt.Fprintf(cmd.OutOrStdout(), "%d pictures\tPSNR %.2f dB\tSSIM %.4f\n", len(files), sum.psnr/n, sum.ssim/n)
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "folder for PNGs of each picture beside its reconstruction")
	cmd.Flags().IntVar(&size, "size", 0, "side in pixels of the squares that pictures are scaled to (default: their own size)")
	return cmd
}

// bothHalves wants an encoder and a decoder: of a tiny first stage one may lie in
// a file of its own.
func bothHalves(c autoencoder.Config, path string) error {
	for _, half := range []struct {
		has        bool
		name, want string
	}{{c.HasEncoder(), "decoder", "encoder"}, {c.HasDecoder(), "encoder", "decoder"}} {
		if !half.has {
			return fault.Unsupportedf("%s holds the %s alone: want the %s beside it, under the same name with %q in place of %q",
				path, half.name, half.want, half.want, half.name)
		}
	}
	return nil
}

type quality struct{ psnr, ssim float64 }

// pairPath is where the pair of picture i goes, or "".
func pairPath(folder, file string, i int) string {
	if folder == "" {
		return ""
	}
	base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	return filepath.Join(folder, fmt.Sprintf("%04d-%s.png", i, base))
}

func reconstructOne(ctx context.Context, stage *ldm.FirstStage, file string, size int, out string) (q quality, err error) {
	x, err := data.Read(file, size, stage.Factor())
	if err != nil {
		return q, err
	}
	y, err := stage.Reconstruct(ctx, x)
	if err != nil {
		return q, fmt.Errorf("%s: %w", file, err)
	}
	q.psnr = metric.PSNR(x.F32, y.F32)
	if q.ssim, err = metric.SSIM(x.F32, y.F32, x.Shape[1], x.Shape[2], 3); err != nil {
		return q, fmt.Errorf("%s: %w", file, err)
	}
	if out == "" {
		return q, nil
	}
	pair := tensor.New(2, x.Shape[1], x.Shape[2], 3)
	copy(pair.Row(0).F32, x.F32)
	copy(pair.Row(1).F32, y.F32)
	return q, data.SavePNG(out, data.Grid(pair, 2))
}
