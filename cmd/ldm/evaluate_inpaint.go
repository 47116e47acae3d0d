package main

import (
	"context"
	"image"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/mask"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/retouch"
	"github.com/ldm-go/ldm/tensor"
)

// inpaintEvaluation measures models that fill holes.
type inpaintEvaluation struct {
	restoration
	kinds []string
	size  int
	masks []mask.Kind
}

func evaluateInpaint() *cobra.Command {
	f := inpaintEvaluation{restoration: restoration{}}
	cmd := &cobra.Command{
		Use:   "inpaint PICTURE|FOLDER...",
		Short: "Cut holes into pictures, fill them with a model, and measure how near it comes",
		Long: `Cuts the holes into pictures that inpainting models are trained on (LaMa's masks), fills them, and
prints for each way the means of PSNR (dB), SSIM and LPIPS (squeeze) against the pictures
themselves: with the mean colour of what is known, with the colours around the hole, with
the model, and with what the model's first stage makes of the whole picture, the best that
its decoder could do. What is known is the picture's own in all of them. With -o, every
picture is written beside the others: the hole, the colours around, the model's, its own.`,
		Example: "  ldm evaluate inpaint photos -m runs/inpaint/model.safetensors\n  ldm evaluate inpaint places/val -m inpainting_big/last.ckpt -c inpainting_big/config.yaml --masks wide --size 512",
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.register(cmd)
	cmd.Flags().StringSliceVar(&f.kinds, "masks", []string{"narrow", "wide", "box"}, "kinds of holes, one after the other")
	cmd.Flags().IntVar(&f.size, "size", 0, "side in pixels of the squares that pictures are scaled to (default: that of the model's training)")
	return cmd
}

func (f *inpaintEvaluation) run(cmd *cobra.Command, places []string) error {
	if f.masks = make([]mask.Kind, len(f.kinds)); len(f.masks) == 0 {
		return fault.Inputf("--masks: want some of narrow, wide, box")
	}
	for i, name := range f.kinds {
		if err := f.masks[i].UnmarshalText([]byte(name)); err != nil {
			return err
		}
	}
	if f.path == "" {
		return fault.Inputf("which model? want --model FILE of one that fills holes")
	}
	if f.size < 0 {
		return fault.Inputf("--size %d: want the side of squares in pixels", f.size)
	}
	return f.restore(cmd, places, []string{"mean colour", "colours around", "model", "first stage"}, func(m *ldm.Model) error {
		if !m.Network().Inpaints() || m.Network().TextLength() > 0 {
			return fault.Unsupportedf("this model was not trained to fill holes by the picture alone: want one as of configs/inpaint-diffusion.yaml")
		}
		if f.size == 0 {
			f.size = m.Network().LatentSide() * m.FirstStage().Factor()
		}
		if unit := unitOf(m); f.size%unit != 0 {
			return fault.Inputf("--size %d: want a multiple of %d", f.size, unit)
		}
		return nil
	}, f.one)
}

// one is a picture, and what each way made of it.
func (f *inpaintEvaluation) one(ctx context.Context, m *ldm.Model, img *image.RGBA, i int) (truth *image.RGBA, made []image.Image, err error) {
	truth = picture.Square(img, f.size)
	hidden := mask.Draw(f.masks[i%len(f.masks)], f.size, f.size, tensor.NewStream(f.seed, uint64(i)))
	hole := image.NewGray(truth.Rect)
	for k, v := range hidden {
		hole.Pix[k] = byte(255 * v)
	}
	r := f.request(m, i)
	r.Condition = ldm.Masked{Image: truth, Mask: hole}
	result, err := m.Generate(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	known, err := reconstructed(ctx, m, truth)
	if err != nil {
		return nil, nil, err
	}
	for _, filled := range []image.Image{meanFill(truth, hidden), retouch.Fill(truth, hole), result.Images[0], known} {
		made = append(made, retouch.Blend(truth, filled, hole))
	}
	return truth, made, nil
}

// meanFill is one picture of the mean colour of what is not hidden.
func meanFill(img *image.RGBA, hidden []float32) *image.RGBA {
	var sum [3]float64
	var n float64
	for i, v := range hidden {
		if v > 0 {
			continue
		}
		n++
		for c := range sum {
			sum[c] += float64(img.Pix[4*i+c])
		}
	}
	out := image.NewRGBA(img.Rect)
	for i := range hidden {
		for c := range sum {
			out.Pix[4*i+c] = byte(sum[c]/max(n, 1) + .5)
		}
		out.Pix[4*i+3] = 255
	}
	return out
}
