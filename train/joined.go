package train

import (
	"context"
	"image"
	"slices"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/degradation"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/mask"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// joined is a condition that is joined to the latent's channels.
type joined interface {
	// channels of what is joined.
	channels() int
	// fill writes an example's [h, w, channels].
	fill(ctx context.Context, dst []float32, e example) error
	// show is the same as a condition of a request.
	show(pick data.Pick, from *latents) (ldm.Condition, error)
}

// besides is the condition of a model that sees a picture beside the latent,
// and with a hybrid a text too.
type besides struct {
	joined
	net  *model.Network
	h, w int
	text condition // nil without
}

func (c *besides) input() string {
	if c.text != nil {
		return "joined"
	}
	return "condition"
}

func (c *besides) build(b nn.Builder, n int) []graph.Value {
	in := b.G.Input(c.input(), n, c.h, c.w, c.channels())
	if c.text == nil {
		return []graph.Value{in}
	}
	return append(c.text.build(b, n)[:1:1], in)
}

func (c *besides) fill(ctx context.Context, p engine.Program, i int, e example) error {
	if err := c.joined.fill(ctx, p.Input(c.input()).Row(i).F32, e); err != nil || c.text == nil {
		return err
	}
	return c.text.fill(ctx, p, i, e)
}

// newJoined is what the network sees beside the latent.
func (s *secondStage) newJoined() (joined, error) {
	extra, c := s.net.UNet.InChannels-s.net.LatentChannels(), s.net.LatentChannels()
	switch {
	case s.net.Inpaints():
		if len(s.cfg.Masks) == 0 {
			return nil, fault.Inputf("masks is empty: want some of narrow, wide, box")
		}
		return &hole{s.net, s.cfg.Masks}, nil
	case s.net.Edits(), s.net.Kind == model.LatentOfItself && extra == c:
		return &before{s.net}, s.wantCompanion("input")
	case s.net.Kind == model.Itself && extra == 3:
		return &small{s.cfg.Degradation, s.net.FirstStage.Factor()}, nil
	}
	return nil, fault.Unsupportedf("cond_stage_config %s with %d channels beside the latent's %d cannot be trained on: want 3 (a small picture), %d (a picture to change) or %d (a hole and its mask)", s.net.Kind, extra, c, c, c+1)
}

// wantCompanion is an error unless every picture has one of that name.
func (s *secondStage) wantCompanion(name string) error {
	for _, f := range []*feed{s.train, s.valid} {
		if f == nil {
			continue
		}
		for _, item := range f.Set.Items {
			if _, ok := item.Others[name]; !ok {
				return fault.Inputf("%s has no %s beside it, which this model is trained on: want folders images and %ss with files of the same names", item.File, name, name)
			}
		}
	}
	return nil
}

// wantLabels is an error unless every picture has a map of labels, of its own or
// of COCO's outlines, in which numbers mean the same in both sets.
func (s *secondStage) wantLabels() error {
	sets := []*data.Set{s.train.Set}
	if s.valid != nil {
		sets = append(sets, s.valid.Set)
	}
	first := sets[0]
	if _, own := first.Items[0].Others["label"]; !own && first.HasOutlines() {
		for _, set := range sets {
			if !slices.Equal(set.Categories, first.Categories) {
				return fault.Inputf("the categories of training and validation differ: %q and %q", first.Categories, set.Categories)
			}
			if err := set.LoadOutlines(); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.wantCompanion("label"); err != nil || s.valid == nil {
		return err
	}
	colors, err := sets[0].LabelColors("label")
	if err == nil {
		sets[1].UseLabelColors("label", colors)
	}
	return err
}

// hole is a picture with a hole, encoded, and the hole's mask: see
// model.Network.JoinHole.
type hole struct {
	net   *model.Network
	kinds []mask.Kind
}

func (c *hole) channels() int { return c.net.LatentChannels() + 1 }

func (c *hole) draw(size int, e example) []float32 {
	s := tensor.NewStream(e.seed, drawMask, e.at)
	return mask.Draw(c.kinds[s.IntN(len(c.kinds))], size, size, s)
}

func (c *hole) fill(ctx context.Context, dst []float32, e example) error {
	size := e.from.feed.Set.Size
	x := tensor.New(1, size, size, 3)
	if err := e.from.feed.fill(x.F32, &e.pick); err != nil {
		return err
	}
	hidden := c.draw(size, e)
	c.net.CutHole(x.F32, hidden)
	z, err := e.from.mode(ctx, x)
	if err != nil {
		return err
	}
	c.net.JoinHole(dst, z.F32, hidden, z.Shape[1], z.Shape[2])
	return nil
}

func (c *hole) show(pick data.Pick, from *latents) (ldm.Condition, error) {
	img, err := from.feed.image(pick)
	if err != nil {
		return nil, err
	}
	size := from.feed.Set.Size
	hidden := c.draw(size, example{seed: drawSample, at: uint64(pick.Index)})
	m := image.NewGray(image.Rect(0, 0, size, size))
	for i, v := range hidden {
		m.Pix[i] = byte(255 * v)
	}
	return ldm.Masked{Image: img, Mask: m, Prompt: pick.Text}, nil
}

// before is the picture that is to be changed, encoded.
type before struct{ net *model.Network }

func (c *before) channels() int { return c.net.LatentChannels() }

func (c *before) fill(ctx context.Context, dst []float32, e example) error {
	size := e.from.feed.Set.Size
	x := tensor.New(1, size, size, 3)
	if err := e.from.feed.Set.FillCompanion(x.F32, e.pick, "input"); err != nil {
		return err
	}
	z, err := e.from.mode(ctx, x)
	if err == nil {
		copy(dst, z.F32)
	}
	return err
}

func (c *before) show(pick data.Pick, from *latents) (ldm.Condition, error) {
	size := from.feed.Set.Size
	x := tensor.New(size, size, 3)
	if err := from.feed.Set.FillCompanion(x.F32, pick, "input"); err != nil {
		return nil, err
	}
	return ldm.Picture{Image: picture.Image(x), Prompt: pick.Text}, nil
}

// small is a picture made small, for super-resolution (section 4.4).
type small struct {
	degradation degradation.Kind
	factor      int
}

func (c *small) channels() int { return 3 }

func (c *small) make(pick data.Pick, from *latents, s tensor.Stream) (*image.RGBA, error) {
	img, err := from.feed.image(pick)
	if err != nil {
		return nil, err
	}
	return c.degradation.Apply(img, c.factor, s)
}

func (c *small) fill(_ context.Context, dst []float32, e example) error {
	img, err := c.make(e.pick, e.from, tensor.NewStream(e.seed, drawDegradation, e.at))
	if err == nil {
		picture.Fill(dst, img)
	}
	return err
}

func (c *small) show(pick data.Pick, from *latents) (ldm.Condition, error) {
	img, err := c.make(pick, from, tensor.NewStream(drawSample, drawDegradation, uint64(pick.Index)))
	return ldm.Picture{Image: img, Prompt: pick.Text}, err
}

// mode is the latent that a picture stands for.
func (l *latents) mode(ctx context.Context, x *tensor.Tensor) (*tensor.Tensor, error) {
	moments, err := l.stage.Moments(ctx, x)
	if err != nil {
		return nil, err
	}
	return l.stage.Mode(moments)
}

// image is a pick's picture.
func (f *feed) image(pick data.Pick) (*image.RGBA, error) {
	x := tensor.New(f.Set.Size, f.Set.Size, 3)
	if err := f.fill(x.F32, &pick); err != nil {
		return nil, err
	}
	return picture.Image(x), nil
}
