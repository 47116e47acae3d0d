package main

import (
	"context"
	"fmt"
	"image"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/retouch"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

func variations() *cobra.Command {
	var f inputFlags
	var amount float64
	var rounds int
	cmd := &cobra.Command{
		Use:   "variations PICTURE [-p PROMPT]",
		Short: "Make pictures like a picture",
		Long: `Finds the noise that the model makes a picture of (DDIM inversion), with a text that says
what it shows, mixes it with other noise along the arc between both, and makes pictures
of that. The round trip is measured: the picture made of the noise as it was found, in
decibels beside the original and beside what the first stage alone makes of it.`,
		Example: "  ldm variations apple.png -p \"a red apple\" -n 4 --amount 0.4 -o apples.png",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.checkInput(cmd, args); err != nil {
				return err
			}
			switch {
			case !(amount >= 0 && amount <= 1):
				return fault.Inputf("--amount %g: want 0 to 1", amount)
			case rounds < 0 || rounds > 100:
				return fault.Inputf("--rounds %d: want 0 to 100", rounds)
			}
			img, err := f.read()
			if err != nil {
				return err
			}
			return f.run(cmd, func(m *ldm.Model, r *ldm.Request) ([]finish, error) {
				if r.Sampler.Name != sampler.Methods()[0].Name || r.Eta != nil && *r.Eta != 0 {
					return nil, fault.Inputf("--sampler %s: the way back to the noise is that of DDIM without fresh noise (--eta 0)", r.Sampler.Name)
				}
				if err := f.condition(cmd, m, r); err != nil {
					return nil, err
				}
				if r.Guidance == 0 {
					r.Guidance = 1 // with which the way there and back is the same
				}
				return nil, f.vary(cmd.Context(), m, r, f.fitted(img), amount, rounds)
			})
		},
	}
	f.register(cmd)
	f.registerAny(cmd)
	f.registerResize(cmd)
	cmd.Flags().Float64Var(&amount, "amount", 0.3, "how much other noise there is: 0 gives the picture, 1 another one")
	cmd.Flags().IntVar(&rounds, "rounds", 3, "how often each step to the noise is corrected; 0: plain inversion")
	return cmd
}

// vary finds a picture's noise, says how well it leads back, and makes the request begin
// with mixtures of it.
func (f *inputFlags) vary(ctx context.Context, m *ldm.Model, r *ldm.Request, img *image.RGBA, amount float64, rounds int) error {
	unit := unitOf(m)
	size := img.Rect.Size()
	legal := image.Pt(up(size.X, unit), up(size.Y, unit))
	if legal != size && !f.fit {
		return fault.Inputf("the picture has %dx%d pixels: want multiples of %d; -W %d -H %d, or --fit", size.X, size.Y, unit, legal.X, legal.Y)
	}
	x := picture.Tensor(retouch.Enlarge(img, legal.X, legal.Y))
	moments, err := m.FirstStage().Moments(ctx, x)
	if err != nil {
		return err
	}
	mode, err := m.FirstStage().Mode(moments)
	if err != nil {
		return err
	}
	z := tensor.New(mode.Shape...)
	for i, v := range mode.F32 {
		z.F32[i] = v * m.Network().ScaleFactor
	}
	if err := f.invert(ctx, m, *r, z, legal, rounds); err != nil {
		return err
	}
	r.Width, r.Height = size.X, size.Y
	back := *r
	back.Width, back.Height, back.Seeds, back.Guidance, back.Negative = legal.X, legal.Y, []uint64{0}, 1, nil
	back.Savings.AdaptiveGuidance = 0
	back.Noise = func([]uint64) sampler.Noise { return mixed(z, 0, nil) }
	out, err := m.Generate(ctx, back)
	if err != nil {
		return err
	}
	alone, err := m.FirstStage().Decode(ctx, mode)
	if err != nil {
		return err
	}
	f.remarkOnce(fmt.Sprintf("there and back: PSNR %.2f dB; of the first stage alone: %.2f dB", metric.PSNR(x.F32, out.Pixels.F32), metric.PSNR(x.F32, alone.F32)))
	path, err := r.Sampler.Path(r.Schedule, m.Network().Schedule, r.Steps)
	if err != nil {
		return err
	}
	method, source := r.Sampler, r.Random
	r.Noise = func(seeds []uint64) sampler.Noise { return mixed(z, amount, method.Noise(source, seeds, path)) }
	return nil
}

// invert turns a latent into the noise that leads to it.
func (f *inputFlags) invert(ctx context.Context, m *ldm.Model, r ldm.Request, z *tensor.Tensor, size image.Point, rounds int) error {
	var e ldm.Encoding
	var err error
	if r.Condition != nil {
		if e, err = r.Condition.Encode(ctx, m, size.X, size.Y); err != nil {
			return err
		}
	}
	network := func(ctx context.Context, x *tensor.Tensor, t float64, want ...int) ([]*tensor.Tensor, error) {
		y, err := m.Predict(ctx, x, t, []ldm.Encoding{e})
		return []*tensor.Tensor{y}, err
	}
	path, err := r.Sampler.Path(r.Schedule, m.Network().Schedule, r.Steps)
	if err != nil {
		return err
	}
	meter := newMeter("inverting", path.Steps(), "steps")
	defer meter.Close()
	denoise := sampler.Unguided(network, m.Network().Schedule, 1)
	for state, err := range sampler.Invert(ctx, denoise, z, path, sampler.Options{Rounds: rounds}) {
		if err != nil {
			return err
		}
		meter.Set(float64(state.Step))
	}
	return nil
}

// mixed is noise whose first draw lies between a picture's own and another's.
func mixed(own *tensor.Tensor, amount float64, other sampler.Noise) sampler.Noise {
	first := true
	return func(dst *tensor.Tensor, from, to float64) {
		if other != nil {
			other(dst, from, to)
		}
		if !first {
			return
		}
		first = false
		for i := range dst.Shape[0] {
			row := dst.Row(i).F32
			if other == nil || amount == 0 {
				copy(row, own.F32)
				continue
			}
			sampler.Slerp(row, own.F32, row, amount)
		}
	}
}
