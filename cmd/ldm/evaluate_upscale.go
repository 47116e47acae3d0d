package main

import (
	"context"
	"image"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/degradation"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// upscaleEvaluation measures models of super-resolution.
type upscaleEvaluation struct {
	restoration
	degradation degradation.Kind
	consistency float64
}

func evaluateUpscale() *cobra.Command {
	f := upscaleEvaluation{restoration: restoration{box: upscaleName}}
	cmd := &cobra.Command{
		Use:   "upscale PICTURE|FOLDER...",
		Short: "Make pictures small, make them large again with a model, and measure what is lost",
		Long: `Makes pictures small as super-resolution is trained on (--degradation), makes them large
again, and prints for each way the means of PSNR (dB), SSIM and LPIPS (squeeze) against the
pictures themselves: bicubic enlargement, the model, and the model's first stage, which has
seen the large picture and is the best that its decoder could do. Sides are cut to multiples
of the model's factor. With -o, every picture is written beside the others: bicubic, the
model's, its own.`,
		Example: "  ldm evaluate upscale photos\n  ldm evaluate upscale photos -m bsr_sr/model.ckpt -c bsr_sr/project.yaml --degradation bsr --steps 100 --eta 1",
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.register(cmd)
	cmd.Flags().TextVar(&f.degradation, "degradation", degradation.Bicubic, "how pictures are made small: bicubic, bsr or bsr-light")
	cmd.Flags().Float64Var(&f.consistency, "consistency", 0, "how far the result, made small again, is brought to the small picture: 0 to 1 (default: 1 with the model in this program, otherwise 0)")
	return cmd
}

func (f *upscaleEvaluation) run(cmd *cobra.Command, places []string) error {
	if !(f.consistency >= 0 && f.consistency <= 1) {
		return fault.Inputf("--consistency %g: want 0 (as the model made it) to 1", f.consistency)
	}
	if b, _ := inBox(f.path); (f.path == "" || b.name == upscaleName) && !cmd.Flags().Changed("consistency") {
		f.consistency = 1
	}
	return f.restore(cmd, places, []string{"bicubic", "model", "first stage"}, func(m *ldm.Model) error {
		if !enlarges(m) {
			return errNotEnlarging
		}
		return nil
	}, f.one)
}

// one is a picture, and what each way made of it.
func (f *upscaleEvaluation) one(ctx context.Context, m *ldm.Model, img *image.RGBA, i int) (truth *image.RGBA, made []image.Image, err error) {
	factor := m.FirstStage().Factor()
	reduced, err := f.degradation.Apply(img, factor, tensor.NewStream(f.seed, uint64(i)))
	if err != nil {
		return nil, nil, err
	}
	size := reduced.Rect.Size()
	truth = picture.OnWhite(img.SubImage(image.Rectangle{img.Rect.Min, img.Rect.Min.Add(size.Mul(factor))}))
	r := f.request(m, i)
	var after []finish
	r.Condition, after = small(m, &r, reduced, f.consistency)
	result, err := m.Generate(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	images, err := finished(result.Images, r.Seeds, after)
	if err != nil {
		return nil, nil, err
	}
	known, err := reconstructed(ctx, m, truth)
	return truth, []image.Image{picture.Resize(reduced, truth.Rect.Dx(), truth.Rect.Dy(), picture.Bicubic), images[0], known}, err
}
