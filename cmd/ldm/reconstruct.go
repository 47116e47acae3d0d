package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric"
	"github.com/ldm-go/ldm/perceptual"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/tiles"
)

// reconstruction are the settings of the command.
type reconstruction struct {
	modelFlags
	out  string
	size int

	stage *ldm.FirstStage
	lpips *perceptual.Meter
}

func reconstruct() *cobra.Command {
	var r reconstruction
	cmd := &cobra.Command{
		Use:   "reconstruct PICTURE|FOLDER...",
		Short: "Send pictures through a first stage and back, and measure the loss",
		Long: `Encodes and decodes pictures with the first stage of a model (or one that stands
alone), through the posterior's mean or the codebook, and prints PSNR (dB), SSIM and
LPIPS (squeeze) of each and their means. With -o, every picture is written beside
its reconstruction. Pictures that cannot be read are named and left out of the means,
and the command's status is not 0 then. A picture that does not fit into memory at
once is computed by tiles, with the same result; a very large one by patches that
are cross-faded.`,
		Example: `  ldm reconstruct emoji/validation --size 64
  ldm reconstruct photos -m kl-f8.ckpt -o pairs`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.size < 0 {
				return fault.Inputf("--size %d: want the side of squares in pixels, or 0 for the pictures' own sizes", r.size)
			}
			files, err := data.Pictures(args)
			if err != nil {
				return err
			}
			if err := r.open(); err != nil {
				return err
			}
			defer r.stage.Close()
			defer r.lpips.Close()
			return r.all(cmd, files)
		},
	}
	r.register(cmd)
	cmd.Flags().StringVarP(&r.out, "out", "o", "", "folder for PNGs of each picture beside its reconstruction")
	cmd.Flags().IntVar(&r.size, "size", 0, "side in pixels of the squares that pictures are scaled to (default: their own size)")
	return cmd
}

// open loads the first stage and makes the folder for the results.
func (r *reconstruction) open() (err error) {
	if r.stage, err = r.openFirstStage(); err != nil {
		return err
	}
	if err := bothHalves(r.stage.Config, r.path); err != nil {
		return err
	}
	if f := r.stage.Factor(); r.size%f != 0 {
		return fault.Inputf("--size %d: want a multiple of %d", r.size, f)
	}
	if r.out != "" {
		if err := os.MkdirAll(r.out, 0o777); err != nil {
			return err
		}
	}
	opt, err := r.options()
	if err != nil {
		return err
	}
	vars, err := perceptual.Vars()
	if err != nil {
		return err
	}
	r.lpips, err = perceptual.NewMeter(opt.Engine, engine.Options{MaxBytes: opt.MaxMemory.Bytes()}, perceptual.Squeeze, vars)
	return err
}

// all goes through the files, and prints the means at the end.
func (r *reconstruction) all(cmd *cobra.Command, files []string) error {
	m := newMeter("reconstructing", len(files), "pictures")
	defer m.Close()
	var sums qualitySums
	var failed failures
	for i, file := range files {
		q, err := r.one(cmd.Context(), file, pairPath(r.out, file, i), func(share float64) { m.Set(float64(i) + share) })
		switch {
		case cmd.Context().Err() != nil:
			return cmd.Context().Err()
		case err != nil:
			failed.add(m, named(file, err))
		default:
			sums.add(q)
			if err := m.Print(cmd.OutOrStdout(), file+"\t"+q.line(r.lpips.Net)); err != nil {
				return err
			}
		}
		m.Set(float64(i + 1))
	}
	m.Close()
	if sums.n > 0 {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%d pictures\t%s\n", sums.n, sums.mean().line(r.lpips.Net)); err != nil {
			return err
		}
	}
	return failed.err(len(files), "pictures")
}

// named is an error with the name of its file, if it does not have it already.
func named(file string, err error) error {
	if strings.Contains(err.Error(), file) {
		return err
	}
	return fmt.Errorf("%s: %w", file, err)
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

// pairPath is where the pair of picture i goes, or "".
func pairPath(folder, file string, i int) string {
	if folder == "" {
		return ""
	}
	base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	return filepath.Join(folder, fmt.Sprintf("%04d-%s.png", i, base))
}

// decoding is where the decoder begins, as a share of the time.
const decoding = .35

func (r *reconstruction) one(ctx context.Context, file, out string, progress func(share float64)) (q quality, err error) {
	x, err := within(ctx, func() (*tensor.Tensor, error) { return picture.Read(file, r.size, r.stage.Factor()) })
	if err != nil {
		return q, err
	}
	moments, err := r.stage.Moments(tiles.WithProgress(ctx, func(s float64) { progress(decoding * s) }), x)
	if err != nil {
		return q, err
	}
	z, err := r.stage.Mode(moments)
	if err != nil {
		return q, err
	}
	y, err := r.stage.Decode(tiles.WithProgress(ctx, func(s float64) { progress(decoding + (1-decoding)*s) }), z)
	if err != nil {
		return q, err
	}
	if q, err = r.measure(ctx, x, y); err != nil || out == "" {
		return q, err
	}
	pair := tensor.New(2, x.Shape[1], x.Shape[2], 3)
	copy(pair.Row(0).F32, x.F32)
	copy(pair.Row(1).F32, y.F32)
	return q, picture.Save(out, picture.Grid(pair, 2), picture.Options{})
}

// measure compares a picture with its reconstruction. What a picture is too small
// or too large for is not measured.
func (r *reconstruction) measure(ctx context.Context, x, y *tensor.Tensor) (q quality, err error) {
	q = quality{values: []float64{metric.PSNR(x.F32, y.F32)}, has: []bool{true, false, false}}
	ssim, err := within(ctx, func() (float64, error) { return metric.SSIM(x.F32, y.F32, x.Shape[1], x.Shape[2], 3) })
	if ctx.Err() != nil {
		return q, ctx.Err()
	}
	q.has[1] = err == nil
	lpips, err := r.lpips.Distance(ctx, x, y)
	q.has[2] = err == nil
	q.values = append(q.values, ssim, lpips)
	if err != nil && (errors.Is(err, fault.Input) || errors.Is(err, fault.Memory)) {
		err = nil
	}
	return q, err
}

// quality is how near a reconstruction is: PSNR in dB, SSIM and LPIPS, those that
// could be measured.
type quality struct {
	values []float64
	has    []bool
}

func (q quality) line(net perceptual.Net) string {
	var parts []string
	for i, format := range []string{"PSNR %.2f dB", "SSIM %.4f", net.String() + " %.4f"} {
		if q.has[i] {
			parts = append(parts, fmt.Sprintf(format, q.values[i]))
		}
	}
	return strings.Join(parts, "\t")
}

// qualitySums add up to means.
type qualitySums struct {
	n      int
	sums   [3]float64
	counts [3]int
}

func (s *qualitySums) add(q quality) {
	s.n++
	for i, v := range q.values {
		if q.has[i] {
			s.sums[i] += v
			s.counts[i]++
		}
	}
}

func (s *qualitySums) mean() (q quality) {
	for i, n := range s.counts {
		q.values, q.has = append(q.values, s.sums[i]/float64(n)), append(q.has, n > 0)
	}
	return q
}
