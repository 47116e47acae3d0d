package train

import (
	"context"
	"fmt"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Data configures the pictures.
type Data struct {
	Train      string `yaml:"train"`      // folder
	Validation string `yaml:"validation"` // folder; none: no validation
	Size       int    `yaml:"size"`       // pixels of a side
	Crop       string `yaml:"crop"`       // center, or random: another part of a picture at every step
	// Zoom has random crops show a picture up to so many times as large as it just
	// covers the size, though never enlarged; 1: as it covers.
	Zoom float64 `yaml:"zoom,omitempty"`
	// Crops is how many random crops of a picture there are, whose latents are then
	// kept; 0: a new one at every step.
	Crops int  `yaml:"crops,omitempty"`
	Flip  bool `yaml:"flip"` // mirror half of the pictures
}

// Parts of a picture that a step shows.
const (
	cropCenter = "center"
	cropRandom = "random"
)

// DefaultData holds what a configuration may leave out.
func DefaultData() Data { return Data{Size: 64, Flip: true, Crop: cropCenter} }

func (d Data) validate() error {
	switch {
	case d.Train == "":
		return fault.Inputf("data.train is empty: name a folder of pictures")
	case d.Crop != cropCenter && d.Crop != cropRandom:
		return fault.Inputf("data.crop is %q: want %s or %s", d.Crop, cropCenter, cropRandom)
	case d.Crop != cropRandom && (d.Zoom != 0 || d.Crops != 0):
		return fault.Inputf("data.zoom is %g and data.crops %d: they go with data.crop=%s", d.Zoom, d.Crops, cropRandom)
	case d.Zoom != 0 && !(d.Zoom >= 1 && d.Zoom <= 16):
		return fault.Inputf("data.zoom is %g: want 1 to 16", d.Zoom)
	case d.Crops < 0 || d.Crops > 1<<16:
		return fault.Inputf("data.crops is %d: want 0 (a new one at every step) to %d", d.Crops, 1<<16)
	case d.Size < 1 || d.Size > 1<<14:
		return fault.Inputf("data.size is %d: want 1 to %d", d.Size, 1<<14)
	}
	return nil
}

// open reads the sets, and says what is in them. Where classes matter, those of
// the checkpoint are given; held-out pictures have those of the training ones.
func (d Data) open(ctx context.Context, l Loop, run Run, classed bool, classes []string) (train, valid *feed, err error) {
	if classes != nil { // a renamed one would not be found
		there, err := data.OpenSet(d.Train, data.Options{Size: d.Size, NoHeaders: true, Err: ctx.Err})
		if err != nil {
			return nil, nil, err
		}
		there.Close()
		if classes, err = renamedClasses(run, classes, there.Classes); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", d.Train, err)
		}
	}
	set, err := data.OpenSet(d.Train, data.Options{Size: d.Size, Classes: classes, RandomCrop: d.Crop == cropRandom, Zoom: d.Zoom, Crops: d.Crops, Err: ctx.Err})
	if err != nil {
		return nil, nil, err
	}
	train = &feed{Loader: data.Loader{Set: set, Batch: l.BatchSize * l.perStep(), Seed: l.Seed, Mirror: d.Flip}, parts: l.perStep(), run: run, next: run.following(l)}
	train.describe("training")
	if d.Validation == "" {
		return train, nil, nil
	}
	held := data.Options{Size: d.Size, Err: ctx.Err}
	if d.Validation == d.Train && set.Summary.Split != "" { // the other part of the same set
		held.Split = "validation"
	}
	if classed {
		held.Classes = set.Classes
	}
	if set, err = data.OpenSet(d.Validation, held); err != nil {
		return nil, nil, err
	}
	valid = &feed{Loader: data.Loader{Set: set}, run: run}
	valid.describe("validation")
	return train, valid, nil
}

// feed deals out pictures, and replaces those that cannot be read. What a step takes is
// one batch of the loader, and has one shape.
type feed struct {
	data.Loader
	parts  int // batches of a step
	run    Run
	next   func(batch int) int // the one after a batch that this process takes
	broken map[int]bool
}

// describe says what was found.
func (f *feed) describe(purpose string) {
	f.run.line("%s: %s", purpose, f.Set.Summary)
	for _, err := range f.Set.Broken() {
		f.run.line("left out: %v", err)
	}
}

// skip counts a broken picture; too many of them are an error.
func (f *feed) skip(i int, err error) error {
	if f.broken == nil {
		f.broken = map[int]bool{}
	}
	if f.broken[i] {
		return nil
	}
	f.broken[i] = true
	f.run.line("skipped, %d of %d pictures so far: %v", len(f.broken), f.Set.Len(), err)
	return f.Set.Skip(i, err)
}

// readable is the picture of that index or, where it is broken, the next of its shape
// that is not.
func (f *feed) readable(i int) int {
	shape := f.Set.Bucket(i)
	for range f.Set.Len() {
		if !f.broken[i] && f.Set.Bucket(i) == shape {
			break
		}
		i = (i + 1) % f.Set.Len()
	}
	return i
}

// batch lists the pictures of a batch, from 0.
func (f *feed) batch(number int) []data.Pick {
	size := f.Batch / f.parts
	return f.Picks(number / f.parts)[number%f.parts*size:][:size]
}

// images fills dst [N, H, W, 3] with the pictures of a batch, from 0, and begins to
// decode those of the next.
func (f *feed) images(dst []float32, number int) error {
	picks := f.batch(number)
	f.Set.Ahead(f.batch(f.next(number)))
	per := len(dst) / len(picks)
	for i, p := range picks {
		if err := f.fill(dst[i*per:][:per], &p); err != nil {
			return err
		}
	}
	return nil
}

// fill writes one picture. If it cannot be read the pick becomes another.
func (f *feed) fill(dst []float32, p *data.Pick) error {
	for {
		if i := f.readable(p.Index); i != p.Index {
			p.Index = i
			if texts := f.Set.Items[i].Texts; len(texts) > 0 {
				p.Text = texts[0]
			}
		}
		err := f.Set.FillPick(dst, *p)
		if err == nil {
			return nil
		}
		if err := f.skip(p.Index, err); err != nil {
			return err
		}
	}
}

// picture reads a picture for showing or measuring; ok is false if it is broken.
func (f *feed) picture(i int) (x *tensor.Tensor, ok bool) {
	if f.broken[i] {
		return nil, false
	}
	x, err := f.Set.Image(i)
	if err != nil {
		f.skip(i, err)
		return nil, false
	}
	return x, true
}
