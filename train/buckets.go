package train

import (
	"image"
	"maps"
	"slices"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
)

// setBuckets lets the pictures of a set keep their proportions.
func (s *secondStage) setBuckets(most float64, f *feed) error {
	f.Batch = s.cfg.Train.BatchSize * s.cfg.Train.perStep()
	switch {
	case most == 0 || most == 1:
		return nil
	case !(most > 1 && most <= 16):
		return fault.Inputf("buckets is %g: want the most that pictures may be to 1, up to 16; 0: squares", most)
	case s.net.Key == model.KeyConcat || s.net.Key == model.KeyHybrid:
		return fault.Unsupportedf("buckets is %g: pictures that are joined to the latent are squares; want 0", most)
	case s.cfg.Data.Crop == cropRandom:
		return fault.Inputf("buckets is %g and data.crop is %s: want %s, or no buckets", most, cropRandom, cropCenter)
	}
	list, err := data.Buckets(s.cfg.Data.Size, s.net.FirstStage.Factor()*s.net.UNet.Factor(), most)
	if err != nil {
		return err
	}
	if err := f.Set.SetBuckets(list); err != nil {
		return err
	}
	counts := map[image.Point]int{}
	for i := range f.Set.Items {
		counts[f.Set.Bucket(i)]++
	}
	for _, b := range list {
		if n := counts[b]; n > 0 {
			s.run.line("%d pictures of %dx%d", n, b.X, b.Y)
		}
	}
	return nil
}

// shapes lists the sizes in pixels of the batches, one without buckets.
func (s *secondStage) shapes() []image.Point {
	seen := map[image.Point]bool{}
	for _, l := range []*latents{s.latents, s.prior.from} {
		if l == nil {
			continue
		}
		for i := range l.feed.Set.Items {
			seen[l.feed.Set.Bucket(i)] = true
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b image.Point) int { return a.X - b.X })
}

// objectivesOf are one objective for each shape of a batch, which take turns.
func (s *secondStage) objectivesOf(o Objective, build func(d *denoising) func(b nn.Builder) Loss) (all []Objective) {
	shapes := s.shapes()
	for _, shape := range shapes {
		d, turn := s.denoising, o
		if f := s.net.FirstStage.Factor(); shape != (image.Point{}) {
			d.h, d.w = shape.Y/f, shape.X/f
		}
		turn.Build = build(&d)
		if len(shapes) > 1 {
			turn.Turn = func(n int) bool {
				from, picks := s.batch((n-1)*s.cfg.Train.perStep() + 1)
				return from.feed.Set.Bucket(picks[0].Index) == shape
			}
		}
		all = append(all, turn)
	}
	return all
}
