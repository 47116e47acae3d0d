package main

import (
	"context"
	"fmt"
	"image"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric/compare"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/picture"
)

// sampledAtOnce is how many pictures a model is asked for at a time.
const sampledAtOnce = 16

// modelEvaluation samples a model and compares what it gives with a set.
type modelEvaluation struct {
	modelFlags
	compareFlags
	steps int
	seed  uint64
	scale float64
	out   string
}

func evaluateModel() *cobra.Command {
	var f modelEvaluation
	cmd := &cobra.Command{
		Use:   "model SET",
		Short: "Sample a model and compare the samples with a set of pictures",
		Long: `Samples a model once for each of --count pictures of a set, evenly spread over it,
with the picture's caption or class where the model takes one, and compares the samples
with all pictures of the set at the model's size, as evaluate sets does. With CLIP's file
as --features, texts get a CLIP score. Models that are conditioned on pictures are
measured by evaluate pairs.`,
		Example: "  ldm evaluate model emoji/validation --count 500\n  ldm evaluate model faces -m model.safetensors --steps 100 -o samples",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	f.modelFlags.register(cmd)
	f.compareFlags.register(cmd)
	cmd.Flags().Lookup("count").Usage = "samples"
	cmd.Flags().Lookup("count").DefValue = "1000"
	f.count = 1000
	cmd.Flags().IntVar(&f.steps, "steps", model.DefaultSteps, "steps of DDIM")
	cmd.Flags().Float64Var(&f.scale, "cfg-scale", 0, "strength of the guidance; 1: none (default: the model's)")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "seed of the first sample; the others follow")
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "folder to keep the samples in, as PNG")
	return cmd
}

func (f *modelEvaluation) run(cmd *cobra.Command, place string) error {
	if f.count < 2 || f.steps < 1 {
		return fault.Inputf("--count %d, --steps %d: want at least 2 and 1", f.count, f.steps)
	}
	if err := f.compareFlags.check(); err != nil {
		return err
	}
	m, err := f.modelFlags.open()
	if err != nil {
		return err
	}
	defer m.Close()
	size := m.Network().LatentSide() * m.FirstStage().Factor()
	set, err := data.OpenSet(place, data.Options{Size: size})
	if err != nil {
		return err
	}
	defer set.Close()
	opt, err := f.options()
	if err != nil {
		return err
	}
	e, err := f.compareFlags.open(opt.Engine)
	if err != nil {
		return err
	}
	defer e.Close()
	s := &drawer{modelEvaluation: f, model: m, set: set, size: size}
	if err := s.conditions(); err != nil {
		return err
	}
	var failed failures
	name := fmt.Sprintf("%s (squares of %d)", place, size)
	real, err := measure(cmd, e, compare.Pictures{Name: name, N: len(set.Items), Image: squaresOf(set)}, &failed)
	if err != nil {
		return err
	}
	fake, err := measure(cmd, e, compare.Pictures{Name: "samples of the model", N: f.count, Image: s.image}, &failed)
	if err != nil {
		return err
	}
	var scores []compare.Figure
	if e.Texts() {
		var texts []string
		for _, i := range fake.Pictures {
			texts = append(texts, s.texts[i])
		}
		if scores, err = clipScore(cmd, e, fake, texts); err != nil {
			return err
		}
	}
	return f.finish(cmd, e, real, fake, scores, &failed)
}

// squaresOf reads the pictures of a set as training does.
func squaresOf(set *data.Set) func(context.Context, int) (*image.RGBA, error) {
	return func(_ context.Context, i int) (*image.RGBA, error) {
		x, err := set.Image(i)
		if err != nil {
			return nil, err
		}
		return picture.Image(x.Row(0)), nil
	}
}

// drawer asks a model for pictures, some at a time.
type drawer struct {
	*modelEvaluation
	model *ldm.Model
	set   *data.Set
	size  int
	asked ldm.Each // conditions; none of an unconditional model
	texts []string // of the samples, where the model takes texts

	first  int // of the samples that are there
	images []image.Image
}

// conditions takes those of the set's pictures that the model wants.
func (s *drawer) conditions() error {
	net := s.model.Network()
	s.texts = make([]string, s.count)
	if net.Kind == model.NoCondition {
		return nil
	}
	for i := range s.count {
		item := s.set.Items[i*len(s.set.Items)/s.count]
		switch {
		case net.TakesPictures() || net.Inpaints() || net.LayoutTokens():
			return fault.Unsupportedf("this model is conditioned on more than a text or a class: make pictures with it, and measure them with evaluate pairs or evaluate sets")
		case net.Classes() > 0 && item.Class >= 0 && item.Class < net.Classes():
			s.asked = append(s.asked, ldm.Class(item.Class))
		case net.Classes() > 0:
			return fault.Inputf("%s has class %d: the model knows 0 to %d", item.File, item.Class, net.Classes()-1)
		case len(item.Texts) == 0:
			return fault.Inputf("%s has no caption, and the model wants one", item.File)
		default:
			s.texts[i] = item.Texts[0]
			s.asked = append(s.asked, ldm.Prompt(item.Texts[0]))
		}
	}
	return nil
}

// image is sample i; they are asked for in order.
func (s *drawer) image(ctx context.Context, i int) (*image.RGBA, error) {
	if i >= s.first+len(s.images) {
		s.first = i
		n := min(sampledAtOnce, s.count-i)
		r := ldm.Request{Steps: s.steps, Guidance: s.scale}
		for k := range n {
			r.Seeds = append(r.Seeds, s.seed+uint64(i+k))
		}
		if s.asked != nil {
			r.Condition = s.asked[i : i+n]
		}
		result, err := s.model.Generate(ctx, r)
		if err != nil {
			return nil, err
		}
		s.images = result.Images
	}
	img := picture.OnWhite(s.images[i-s.first])
	if s.out != "" {
		path := filepath.Join(s.out, fmt.Sprintf("%05d.png", i))
		if err := picture.Save(path, img, picture.Options{}); err != nil {
			return nil, err
		}
	}
	return img, nil
}
