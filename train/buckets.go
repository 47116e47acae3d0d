package train

import (
	"fmt"
	"image"
	"maps"
	"slices"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
)

// setBuckets lets the pictures of a set keep their proportions, with sides that are
// multiples of unit.
func (d Data) setBuckets(run Run, f *feed, most float64, unit int) error {
	switch {
	case most == 0 || most == 1:
		return nil
	case !(most > 1 && most <= 16):
		return fault.Inputf("buckets is %g: want the most that pictures may be to 1, up to 16; 0: squares", most)
	case d.Crop == cropRandom:
		return fault.Inputf("buckets is %g and data.crop is %s: want %s, or no buckets", most, cropRandom, cropCenter)
	}
	list, err := data.Buckets(d.Size, unit, most)
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
			run.line("%d pictures of %dx%d", n, b.X, b.Y)
		}
	}
	return nil
}

// setBuckets is that of a second stage, whose networks bound the sides.
func (s *secondStage) setBuckets(most float64, f *feed) error {
	f.parts = s.cfg.Train.perStep()
	f.Batch = s.cfg.Train.BatchSize * f.parts
	if most > 1 && (s.net.Key == model.KeyConcat || s.net.Key == model.KeyHybrid) {
		return fault.Unsupportedf("buckets is %g: pictures that are joined to the latent are squares; want 0", most)
	}
	return s.cfg.Data.setBuckets(s.run, f, most, s.net.FirstStage.Factor()*s.net.UNet.Factor())
}

// setBuckets is that of a first stage. Each shape is a program of its own, so sides come
// in steps of about an eighth of the square's, though the network may want less.
func (s *firstStage) setBuckets() error {
	const sides = 8
	f, size := s.model.Factor(), s.cfg.Data.Size
	unit := f
	for u := f; u <= size/sides; u += f {
		if size%u == 0 {
			unit = u
		}
	}
	if err := s.cfg.Data.setBuckets(s.run, s.train, s.cfg.Buckets, unit); err != nil {
		return err
	}
	for _, shape := range s.shapes() {
		if shape == (image.Point{}) {
			continue
		}
		if err := s.checkSide(min(shape.X, shape.Y), fmt.Sprintf("buckets is %g", s.cfg.Buckets)); err != nil {
			return err
		}
	}
	return nil
}

// shapeOf is the width and height of a batch's pictures, from 0.
func (s *firstStage) shapeOf(batch int) image.Point {
	if b := s.train.Set.Bucket(s.train.batch(batch)[0].Index); b != (image.Point{}) {
		return b
	}
	return s.shape
}

// shapes lists the sizes in pixels of a first stage's batches; zero stands for squares.
func (s *firstStage) shapes() []image.Point { return shapesOf(s.train) }

// shapesOf lists the sizes in pixels of the pictures of sets, zero for squares.
func shapesOf(feeds ...*feed) []image.Point {
	seen := map[image.Point]bool{}
	for _, f := range feeds {
		for i := range f.Set.Items {
			seen[f.Set.Bucket(i)] = true
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b image.Point) int { return a.X - b.X })
}

// inTurns are the objectives of each shape of a batch, which take turns.
func inTurns(f *feed, cfg Loop, shapes []image.Point, of func(shape image.Point) []Objective) (all []Objective) {
	for _, shape := range shapes {
		list := of(shape)
		for i := range list {
			if len(shapes) > 1 {
				list[i].Turn = func(n int) bool { return f.Set.Bucket(f.batch((n - 1) * cfg.perStep())[0].Index) == shape }
			}
		}
		all = append(all, list...)
	}
	return all
}

// shapes lists the sizes in pixels of the batches, one without buckets.
func (s *secondStage) shapes() []image.Point {
	if s.prior.from != nil {
		return shapesOf(s.latents.feed, s.prior.from.feed)
	}
	return shapesOf(s.latents.feed)
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
