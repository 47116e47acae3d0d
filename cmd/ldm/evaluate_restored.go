package main

import (
	"context"
	"errors"
	"fmt"
	"image"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/perceptual"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/retouch"
	"github.com/ldm-go/ldm/sampler"
)

// restoration spoils pictures, has a model mend them, and measures what it makes
// against the pictures themselves, beside simpler ways.
type restoration struct {
	modelFlags
	box          string // the model of the program that is meant where none is named; "": none
	count, steps int
	seed         uint64
	eta          float64
	fresh        bool // --eta is given
	sampling     string
	out          string
}

func (f *restoration) register(cmd *cobra.Command) {
	f.modelFlags.register(cmd)
	cmd.Flags().IntVar(&f.count, "count", 0, "pictures, evenly spread over all (default: all)")
	cmd.Flags().IntVar(&f.steps, "steps", 0, fmt.Sprintf("steps of the sampler (default: the model's, usually %d)", model.DefaultSteps))
	cmd.Flags().Float64Var(&f.eta, "eta", 0, "fresh noise in every step, 0 to 1, for samplers that have it")
	cmd.Flags().StringVar(&f.sampling, "sampler", "", "how to sample, as of ldm samplers (default: the model's)")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the first picture; the others follow")
	if f.box != "" {
		tellBox(cmd, f.box)
	}
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "folder for PNGs of each picture beside what was made of it")
}

// request has the flags' settings for picture i.
func (f *restoration) request(m *ldm.Model, i int) ldm.Request {
	r := ldm.Request{Seeds: []uint64{f.seed + uint64(i)}, Steps: f.steps}
	if f.fresh {
		r.Eta = &f.eta
	}
	if b, ok := inBox(f.path); ok && r.Steps == 0 {
		r.Steps = b.steps
	}
	if r.Steps == 0 {
		r.Steps = m.Defaults().Steps
	}
	if f.sampling != "" { // restore has parsed it before
		r.Sampler, r.Schedule, _ = sampler.Parse(f.sampling)
	}
	return r
}

// restore goes through the pictures, and prints the means of each way.
func (f *restoration) restore(cmd *cobra.Command, places, ways []string, fits func(*ldm.Model) error,
	one func(ctx context.Context, m *ldm.Model, img *image.RGBA, i int) (*image.RGBA, []image.Image, error)) error {
	f.fresh = cmd.Flags().Changed("eta")
	if f.count < 0 || f.steps < 0 || !(f.eta >= 0 && f.eta <= 1) {
		return fault.Inputf("--count %d, --steps %d, --eta %g: want at least 1 (0: all, and the model's), and an eta of 0 to 1", f.count, f.steps, f.eta)
	}
	if _, _, err := sampler.Parse(f.sampling); f.sampling != "" && err != nil {
		return err
	}
	if f.path == "" {
		f.path = f.box
	}
	files, err := data.Pictures(places)
	if err != nil {
		return err
	}
	if f.count > 0 && f.count < len(files) {
		for i := range f.count {
			files[i] = files[i*len(files)/f.count]
		}
		files = files[:f.count]
	}
	m, err := f.open()
	if err != nil {
		return err
	}
	defer m.Close()
	if err := fits(m); err != nil {
		return err
	}
	opt, err := f.options()
	if err != nil {
		return err
	}
	vars, err := perceptual.Vars()
	if err != nil {
		return err
	}
	r := reconstruction{}
	if r.lpips, err = perceptual.NewMeter(opt.Engine, engine.Options{MaxBytes: opt.MaxMemory.Bytes()}, perceptual.Squeeze, vars); err != nil {
		return err
	}
	defer r.lpips.Close()

	bar := newMeter("measuring", len(files), "pictures")
	defer bar.Close()
	sums := make([]qualitySums, len(ways))
	var failed failures
	for i, file := range files {
		err := f.measured(cmd.Context(), &r, file, i, sums, func(ctx context.Context, img *image.RGBA) (*image.RGBA, []image.Image, error) {
			return one(ctx, m, img, i)
		})
		if cmd.Context().Err() != nil {
			return cmd.Context().Err()
		}
		if err != nil {
			failed.add(bar, named(file, err))
		}
		bar.Set(float64(i + 1))
	}
	bar.Close()
	for k, way := range ways {
		if sums[k].n == 0 {
			break
		}
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\t%d pictures\t%s\n", way, sums[k].n, sums[k].mean().line(r.lpips.Net)); err != nil {
			return err
		}
	}
	return failed.err(len(files), "pictures")
}

// measured adds what each way makes of a picture to its sums.
func (f *restoration) measured(ctx context.Context, r *reconstruction, file string, i int, sums []qualitySums,
	one func(ctx context.Context, img *image.RGBA) (*image.RGBA, []image.Image, error)) error {
	img, err := picture.Decode(file)
	if err != nil {
		return err
	}
	truth, made, err := one(ctx, picture.OnWhite(img))
	if err != nil {
		return err
	}
	if len(made) != len(sums) {
		return errors.New("a way is missing")
	}
	x := picture.Tensor(truth)
	list := make([]quality, len(made))
	for k, img := range made {
		if list[k], err = r.measure(ctx, x, picture.Tensor(img)); err != nil {
			return err
		}
	}
	for k, q := range list {
		sums[k].add(q)
	}
	if f.out == "" {
		return nil
	}
	return picture.Save(pairPath(f.out, file, i), picture.Sheet(append(made[:len(made)-1:len(made)-1], truth), len(made)), picture.Options{})
}

// reconstructed is what a model's first stage makes of a picture, whose sides go on at
// its edges as far as that wants.
func reconstructed(ctx context.Context, m *ldm.Model, img *image.RGBA) (image.Image, error) {
	f := m.FirstStage().Factor()
	whole := retouch.Enlarge(img, up(img.Rect.Dx(), f), up(img.Rect.Dy(), f))
	y, err := m.FirstStage().Reconstruct(ctx, picture.Tensor(whole))
	if err != nil {
		return nil, err
	}
	return retouch.Crop(picture.Image(y.Row(0)), image.Rectangle{Max: img.Rect.Size()}), nil
}
