package main

import (
	"image"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/retouch"
)

func upscale() *cobra.Command {
	var f inputFlags
	var passes int
	var consistency float64
	cmd := &cobra.Command{
		Use:   "upscale PICTURE",
		Short: "Make a picture larger with a model of super-resolution",
		Long: `Makes a picture of any size larger by the model's factor (4 for the paper's), with
details that fit. --passes 2 does it twice: 16 times as wide and high. What is too large
for memory is computed in patches; see --max-memory.

--consistency 1 has the result be the picture again when it is made small: colours and
forms are the picture's own, and only details are the model's. It is the default of the
small model in this program, which is used without --model: it learnt to make photographs
four times as large.`,
		Example: "  ldm upscale photo.jpg\n  ldm upscale small.png -m bsr_sr/model.ckpt -c bsr_sr/project.yaml --steps 100 --eta 1\n" +
			"  ldm upscale icon.png -m bsr_sr/model.ckpt --passes 2 -o large.png",
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.checkInput(cmd, args); err != nil {
				return err
			}
			switch {
			case passes < 1 || passes > 4:
				return fault.Inputf("--passes %d: want 1 to 4", passes)
			case f.width != 0 || f.height != 0:
				return fault.Inputf("-W and -H: the size follows from the picture and the model")
			case !(consistency >= 0 && consistency <= 1):
				return fault.Inputf("--consistency %g: want 0 (as the model made it) to 1", consistency)
			}
			if f.model.path == "" && f.server == "" {
				f.model.path = upscaleName
			}
			if b, _ := inBox(f.model.path); b.name == upscaleName && !cmd.Flags().Changed("consistency") {
				consistency = 1
			}
			img, err := f.read()
			if err != nil {
				return err
			}
			return f.run(cmd, func(m *ldm.Model, r *ldm.Request) ([]finish, error) {
				if !enlarges(m) {
					return nil, errNotEnlarging
				}
				first, after := small(m, r, img, consistency)
				again := func(img image.Image, seed uint64) (image.Image, error) {
					for range passes - 1 {
						next := *r
						next.Seeds = []uint64{seed}
						next.OnStep = nil
						var cut []finish
						next.Condition, cut = small(m, &next, img, consistency)
						out, err := m.Generate(cmd.Context(), next)
						if err != nil {
							return nil, err
						}
						images, err := finished(out.Images, next.Seeds, cut)
						if err != nil {
							return nil, err
						}
						img = images[0]
					}
					return img, nil
				}
				r.Condition = first
				return append(after, again), nil
			})
		},
	}
	f.register(cmd)
	tellBox(cmd, upscaleName)
	cmd.Flags().IntVar(&passes, "passes", 1, "how often the picture is made larger")
	cmd.Flags().Float64Var(&consistency, "consistency", 0, "how far the result, made small again, is brought to the picture: 0 to 1 (default: 1 with the model in this program, otherwise 0)")
	for _, name := range []string{"width", "height", "fit"} {
		cmd.Flags().MarkHidden(name)
	}
	return cmd
}

// errNotEnlarging refuses models of other tasks.
var errNotEnlarging = fault.Unsupportedf("this model does not make pictures larger: want one that is conditioned on small pictures (cond_stage_config Rescale or Identity, concat)")

// enlarges tells whether a model is one of super-resolution.
func enlarges(m *ldm.Model) bool {
	net := m.Network()
	return net.Kind == model.Itself && net.TakesPictures() && net.PictureChannels() == 3
}

// small is the condition of a small picture of any size: it goes on at its edges as far
// as the model wants, and what comes of that is cut off.
func small(m *ldm.Model, r *ldm.Request, img image.Image, consistency float64) (ldm.Condition, []finish) {
	f, unit := m.FirstStage().Factor(), m.Network().UNet.Factor()
	size := img.Bounds().Size()
	w, h := up(size.X, unit), up(size.Y, unit)
	r.Width, r.Height = w*f, h*f
	cut := func(made image.Image, _ uint64) (image.Image, error) {
		made = retouch.Crop(made, image.Rect(0, 0, size.X*f, size.Y*f))
		if consistency == 0 {
			return made, nil
		}
		return retouch.Consistent(made, img, consistency)
	}
	return ldm.Picture{Image: retouch.Enlarge(picture.OnWhite(img), w, h)}, []finish{cut}
}
