package main

import (
	"image"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/retouch"
)

// inputFlags are those of commands that begin with a picture.
type inputFlags struct {
	drawFlags
	image, resize string
	strength      float64
}

func (f *inputFlags) register(cmd *cobra.Command) {
	f.drawFlags.register(cmd)
	f.input("image")
	cmd.Flags().StringVarP(&f.image, "image", "i", "", "the picture to begin with, in place of the argument")
}

// registerResize adds the way to another size.
func (f *inputFlags) registerResize(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.resize, "resize", "stretch", "how the picture gets the size of -W and -H: stretch, crop or pad")
}

// registerStrength adds how much of the picture is made anew.
func (f *inputFlags) registerStrength(cmd *cobra.Command, usual string) {
	cmd.Flags().Float64Var(&f.strength, "strength", 0, "how much is made anew: above 0, where nothing changes, to 1, where nothing is left (default: "+usual+")")
}

// checkInput takes the picture of the arguments, and refuses what cannot work.
func (f *inputFlags) checkInput(cmd *cobra.Command, args []string) error {
	args, err := f.secondAxis(args)
	switch {
	case err != nil:
		return err
	case len(args) > 1:
		return fault.Inputf("%q: want one picture; a text stands after --prompt", args[1])
	case len(args) == 1 && f.image != "":
		return fault.Inputf("two pictures: %s and --image %s", args[0], f.image)
	case len(args) == 1:
		if err := cmd.Flags().Set("image", args[0]); err != nil {
			return err
		}
	}
	if err := f.check(cmd); err != nil {
		return err
	}
	if f.image == "" {
		return fault.Inputf("which picture? want ldm %s PICTURE", cmd.Name())
	}
	if _, err := f.mode(); err != nil {
		return err
	}
	return f.checkStrength(cmd)
}

func (f *inputFlags) checkStrength(cmd *cobra.Command) error {
	if cmd.Flags().Changed("strength") && !(f.strength > 0 && f.strength <= 1) {
		return fault.Inputf("--strength %g: want more than 0, at most 1", f.strength)
	}
	return nil
}

// mode is the way to another size.
func (f *inputFlags) mode() (retouch.Mode, error) {
	switch f.resize {
	case "", "stretch":
		return retouch.Stretch, nil
	case "crop":
		return retouch.Cover, nil
	case "pad":
		return retouch.Pad, nil
	}
	return 0, fault.Inputf("--resize %s: want stretch, crop or pad", f.resize)
}

// size is that of the flags, or the picture's own.
func (f *inputFlags) size(img image.Image) image.Point {
	size := img.Bounds().Size()
	if f.width > 0 {
		size.X = f.width
	}
	if f.height > 0 {
		size.Y = f.height
	}
	return size
}

// fitted is a picture of the size that was asked for.
func (f *inputFlags) fitted(img image.Image) *image.RGBA {
	mode, _ := f.mode()
	size := f.size(img)
	return retouch.Fit(img, size.X, size.Y, mode)
}

// read reads the picture.
func (f *inputFlags) read() (*image.NRGBA, error) {
	img, err := picture.Decode(f.image)
	if err != nil {
		return nil, err
	}
	if size := f.size(img); !sane(size.X, size.Y) {
		return nil, fault.Inputf("-W and -H: %dx%d pixels: want at most %d", size.X, size.Y, maxPixels)
	}
	return img, nil
}

// img2img changes a picture by what it should show.
func img2img() *cobra.Command {
	var f inputFlags
	var scale float64
	cmd := &cobra.Command{
		Use:   "img2img PICTURE -p PROMPT",
		Short: "Change a picture by a text",
		Long: `Adds noise to a picture and makes it clean again as the text says: the more strength,
the less is left of it. Any model can do it. A model that edits pictures by an
instruction (InstructPix2Pix) is told what to do with the picture.`,
		Example: "  ldm img2img sketch.png -p \"a red apple\" --strength 0.6\n" +
			"  ldm img2img photo.jpg -m sd-v1-4.ckpt -p \"an oil painting\" -W 512 -H 512 --resize crop",
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.checkInput(cmd, args); err != nil {
				return err
			}
			img, err := f.read()
			if err != nil {
				return err
			}
			return f.run(cmd, func(m *ldm.Model, r *ldm.Request) ([]finish, error) {
				start := f.fitted(img)
				if m.Network().Edits() {
					if cmd.Flags().Changed("strength") {
						return nil, fault.Inputf("--strength: this model edits pictures by instructions; want --image-cfg-scale")
					}
					f.texts(cmd, m, r)
					r.Condition, r.PictureGuidance = ldm.Picture{Image: start, Prompt: plain(f.prompt)}, scale
					return nil, nil
				}
				if cmd.Flags().Changed("image-cfg-scale") {
					return nil, fault.Inputf("--image-cfg-scale: this model does not edit pictures by instructions")
				}
				r.Start, r.Strength, r.Width, r.Height = start, f.strength, 0, 0
				return nil, f.condition(cmd, m, r)
			})
		},
	}
	f.register(cmd)
	f.registerAny(cmd)
	f.registerResize(cmd)
	f.registerStrength(cmd, "0.75")
	cmd.Flags().Float64Var(&scale, "image-cfg-scale", 0, "strength of the guidance by the picture, for models that edit pictures (default: 1.5)")
	return cmd
}
