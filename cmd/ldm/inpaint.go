package main

import (
	"image"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/retouch"
)

// maskFlags are those of commands that make a part of a picture anew.
type maskFlags struct {
	inputFlags
	mask, fill    string
	grow, padding int
	blur          float64
	invert, only  bool
}

// registerBlend adds what inpainting and outpainting have in common.
func (f *maskFlags) registerBlend(cmd *cobra.Command, blur float64) {
	f.register(cmd)
	f.registerAny(cmd)
	f.registerStrength(cmd, "1")
	cmd.Flags().Float64Var(&f.blur, "mask-blur", blur, "standard deviation in pixels of the mask's soft edge; 0: none")
	cmd.Flags().StringVar(&f.fill, "fill", "original", "what the hole begins with: original, fill (the colours around it), noise or zeros")
}

// What takes too long is refused.
const maxBlur, maxGrow = 256, 512

// fills are what a hole begins with, in the latent.
var fills = map[string]ldm.Fill{"original": ldm.FillStart, "fill": ldm.FillStart, "noise": ldm.FillNoise, "zeros": ldm.FillZeros}

// checkBlend refuses what cannot work.
func (f *maskFlags) checkBlend() error {
	if _, ok := fills[f.fill]; !ok {
		return fault.Inputf("--fill %s: want original, fill, noise or zeros", f.fill)
	}
	if !(f.blur >= 0 && f.blur <= maxBlur) {
		return fault.Inputf("--mask-blur %g: want 0 to %d pixels", f.blur, maxBlur)
	}
	return nil
}

func inpaint() *cobra.Command {
	var f maskFlags
	cmd := &cobra.Command{
		Use:   "inpaint PICTURE --mask MASK [-p PROMPT]",
		Short: "Make a part of a picture anew",
		Long: `Makes anew what is white in a mask of the picture's size, or without --mask the
transparent part of the picture. A model that was trained for it (the paper's, Stable
Diffusion's with nine channels) sees the picture around the hole; with any other the
picture around is put back in every step. The black part comes back as it was, pixel
for pixel, beyond the soft edge of --mask-blur.

--only-masked works on the part that the mask is in, with --padding pixels around, at
the model's whole size (or -W and -H), and puts it back: for small things in large
pictures, of any size.`,
		Example: "  ldm inpaint photo.png --mask mask.png -p \"a red hat\" -m sd-v1-5-inpainting.ckpt\n" +
			"  ldm inpaint holes.png -m inpainting_big/last.ckpt -c inpainting_big/config.yaml\n" +
			"  ldm inpaint large.jpg --mask mask.png -p \"a face\" --only-masked --padding 48",
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.checkInput(cmd, args); err != nil {
				return err
			}
			if err := f.checkBlend(); err != nil {
				return err
			}
			if f.padding < 0 {
				return fault.Inputf("--padding %d: want pixels, 0 or more", f.padding)
			}
			if cmd.Flags().Changed("padding") && !f.only {
				return fault.Inputf("--padding %d goes with --only-masked", f.padding)
			}
			img, mask, err := f.readMasked()
			if err != nil {
				return err
			}
			return f.run(cmd, func(m *ldm.Model, r *ldm.Request) ([]finish, error) { return f.build(cmd, m, r, img, mask) })
		},
	}
	f.registerBlend(cmd, 4)
	f.registerResize(cmd)
	f.input("mask")
	cmd.Flags().StringVar(&f.mask, "mask", "", "picture that is white where the other one is to be made anew (default: where that is transparent)")
	cmd.Flags().IntVar(&f.grow, "mask-grow", 0, "pixels by which the white part grows; negative: by which it shrinks")
	cmd.Flags().BoolVar(&f.invert, "mask-invert", false, "make anew what is black")
	cmd.Flags().BoolVar(&f.only, "only-masked", false, "work on the part that the mask is in, at the whole size")
	cmd.Flags().IntVar(&f.padding, "padding", 32, "pixels around the mask's part that --only-masked sees")
	return cmd
}

// readMasked reads the picture and its mask, which is made as the flags say.
func (f *maskFlags) readMasked() (*image.NRGBA, *image.Gray, error) {
	img, err := f.read()
	if err != nil {
		return nil, nil, err
	}
	size := img.Rect.Size()
	mask, holes := retouch.Alpha(img)
	switch {
	case f.mask != "":
		other, err := picture.Decode(f.mask)
		if err != nil {
			return nil, nil, err
		}
		if mask, err = retouch.Mask(other, size.X, size.Y); err != nil {
			return nil, nil, fault.Inputf("%s: %w", f.mask, err)
		}
	case !holes:
		return nil, nil, fault.Inputf("%s is opaque everywhere: want --mask, a picture that is white where it is to be made anew", f.image)
	default:
		for i := 3; i < len(img.Pix); i += 4 {
			img.Pix[i] = 255 // the colours under the hole, if there are any, count
		}
	}
	if f.grow < -maxGrow || f.grow > maxGrow {
		return nil, nil, fault.Inputf("--mask-grow %d: want %d to %d pixels", f.grow, -maxGrow, maxGrow)
	}
	if f.invert {
		mask = retouch.Invert(mask)
	}
	if mask = retouch.Grow(mask, f.grow); retouch.Box(mask).Empty() {
		return nil, nil, fault.Inputf("the mask is black everywhere, as --mask-invert and --mask-grow have made it: want white where the picture is to be made anew")
	}
	return img, mask, nil
}

// build makes the request: of the whole picture, or of the part that the mask is in.
func (f *maskFlags) build(cmd *cobra.Command, m *ldm.Model, r *ldm.Request, img image.Image, mask *image.Gray) ([]finish, error) {
	if !f.only {
		mode, _ := f.mode()
		size := f.size(img)
		mask := retouch.FitMask(mask, size.X, size.Y, mode)
		return f.hole(cmd, m, r, f.fitted(img), mask)
	}
	side := m.Network().LatentSide() * m.FirstStage().Factor()
	size := image.Pt(side, side)
	if f.width > 0 {
		size.X = f.width
	}
	if f.height > 0 {
		size.Y = f.height
	}
	part, err := retouch.NewPart(img, mask, f.padding, size)
	if err != nil {
		return nil, err
	}
	part.Mask = retouch.Blur(mask, f.blur, f.blur)
	after, err := f.hole(cmd, m, r, part.Picture(), retouch.ResizeMask(retouch.CropMask(mask, part.At), size.X, size.Y))
	back := func(made image.Image, _ uint64) (image.Image, error) { return part.Back(made), nil }
	return append(after, back), err
}

// hole makes the request for a picture with a mask that is not blurred yet.
func (f *maskFlags) hole(cmd *cobra.Command, m *ldm.Model, r *ldm.Request, img *image.RGBA, mask *image.Gray) ([]finish, error) {
	if f.fill == "fill" {
		img = retouch.Fill(img, mask)
	}
	soft := retouch.Blur(mask, f.blur, f.blur)
	r.Width, r.Height = 0, 0
	if m.Network().Inpaints() {
		if cmd.Flags().Changed("strength") || cmd.Flags().Changed("fill") {
			return nil, fault.Inputf("--strength and --fill: this model was trained to inpaint, and begins with noise")
		}
		hard := retouch.Hard(mask)
		text := ""
		if m.Network().TextLength() > 0 {
			f.texts(cmd, m, r)
			text = plain(f.prompt)
		} else if cmd.Flags().Changed("prompt") || cmd.Flags().Changed("negative-prompt") {
			return nil, fault.Inputf("--prompt: this model takes no texts")
		}
		r.Condition = ldm.Masked{Image: img, Mask: hard, Prompt: text}
		join := func(made image.Image, _ uint64) (image.Image, error) {
			return retouch.Blend(img, made, lighter(soft, hard)), nil
		}
		return []finish{join}, nil
	}
	r.Start, r.Mask, r.Strength, r.Fill = img, soft, f.strength, fills[f.fill]
	return nil, f.condition(cmd, m, r)
}

// lighter leaves a soft mask where a hard one has a hole: beyond it pictures are
// the same.
func lighter(soft, hard *image.Gray) *image.Gray {
	out := image.NewGray(soft.Rect)
	for i, v := range soft.Pix {
		if hard.Pix[i] > 0 {
			out.Pix[i] = v
		}
	}
	return out
}

func outpaint() *cobra.Command {
	var f maskFlags
	var s retouch.Sides
	cmd := &cobra.Command{
		Use:   "outpaint PICTURE --left N --right N --top N --bottom N [-p PROMPT]",
		Short: "Make a picture go on beyond its edges",
		Long: `Puts a picture on a larger canvas and makes what is new, as ldm inpaint does. The
canvas's size must be a multiple of what the model wants (--fit makes it so). Most models
know pictures of their training's size best.`,
		Example: "  ldm outpaint photo.png --left 128 --right 128 -p \"a beach\" -m sd-v1-5-inpainting.ckpt",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.checkInput(cmd, args); err != nil {
				return err
			}
			if err := f.checkBlend(); err != nil {
				return err
			}
			for name, v := range map[string]int{"left": s.Left, "right": s.Right, "top": s.Top, "bottom": s.Bottom} {
				if v < 0 || v > 1<<14 {
					return fault.Inputf("--%s %d: want 0 to %d pixels", name, v, 1<<14)
				}
			}
			if f.width != 0 || f.height != 0 {
				return fault.Inputf("-W and -H: the size follows from the picture and --left, --right, --top and --bottom")
			}
			if s == (retouch.Sides{}) {
				return fault.Inputf("where to? want --left, --right, --top or --bottom with the pixels to add")
			}
			img, err := f.read()
			if err != nil {
				return err
			}
			if w, h := img.Rect.Dx()+s.Left+s.Right, img.Rect.Dy()+s.Top+s.Bottom; !sane(w, h) {
				return fault.Inputf("a canvas of %dx%d pixels: want at most %d", w, h, maxPixels)
			}
			return f.run(cmd, func(m *ldm.Model, r *ldm.Request) ([]finish, error) {
				canvas, mask := retouch.Extend(img, s)
				return f.hole(cmd, m, r, canvas, mask)
			})
		},
	}
	f.registerBlend(cmd, 2)
	for name, side := range map[string]*int{"left": &s.Left, "right": &s.Right, "top": &s.Top, "bottom": &s.Bottom} {
		cmd.Flags().IntVar(side, name, 0, "pixels to add at the "+name)
	}
	for _, name := range []string{"width", "height"} {
		cmd.Flags().MarkHidden(name) // follow from the picture and the sides
	}
	return cmd
}
