package data

import (
	"fmt"
	"image"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Keys of the loader's random streams.
const (
	drawOrder = iota + 1000
	drawMirror
	drawText
	drawCrop
	drawBatches
)

// Loader deals the pictures of a set out in batches. What a step gets depends
// on the seed, the step and the files alone.
type Loader struct {
	Set    *Set
	Batch  int
	Seed   uint64
	Mirror bool // flip half of the pictures

	epoch int
	order []int
	deck  []int // picture by place of an epoch: some come several times
	plan  *plan // of batches by buckets
}

// Pick is a picture of a batch.
type Pick struct {
	Index  int
	Mirror bool
	Text   string      // one of its captions
	X, Y   float64     // where it is cut, 0 left or top to 1; 0.5 the centre
	Zoom   float64     // how many times as large as it just covers; 0: 1
	Crop   int         // which of the set's crops of the picture this is, from 1; 0: none of them
	Bucket image.Point // width and height; zero: the set's size
}

// Picks lists the pictures of a step, counted from 0. Every epoch is a new
// permutation; batches run on across the epochs' ends. With buckets, a batch is
// of one bucket.
func (l *Loader) Picks(step int) []Pick {
	l.makeDeck()
	picks := make([]Pick, l.Batch)
	for i := range picks {
		at := step*l.Batch + i
		p := Pick{X: 0.5, Y: 0.5}
		p.Index, p.Bucket = l.at(step, i)
		p.Mirror = l.Mirror && tensor.NewStream(l.Seed, drawMirror, uint64(at)).IntN(2) == 1
		p.Text = l.text(l.Set.Items[p.Index].Texts, at)
		if l.Set.options.RandomCrop {
			l.crop(&p, at)
		}
		picks[i] = p
	}
	return picks
}

// crop draws where a picture is cut.
func (l *Loader) crop(p *Pick, at int) {
	s := tensor.NewStream(l.Seed, drawCrop, uint64(at))
	if n := l.Set.options.Crops; n > 0 {
		p.Crop = 1 + s.IntN(n)
		s = tensor.NewStream(l.Seed, drawCrop, uint64(p.Index), uint64(p.Crop))
	}
	p.X, p.Y = s.Float64(), s.Float64()
	if z := l.Set.options.Zoom; z > 1 {
		p.Zoom = 1 + (z-1)*s.Float64()
	}
}

// at is the picture at place i of a step.
func (l *Loader) at(step, i int) (index int, bucket image.Point) {
	if len(l.Set.buckets) > 0 {
		return l.fromBuckets(step, i)
	}
	n := len(l.deck)
	at := step*l.Batch + i
	if epoch := at / n; l.order == nil || l.epoch != epoch {
		l.order = tensor.NewStream(l.Seed, drawOrder, uint64(epoch)).Perm(n)
		l.epoch = epoch
	}
	return l.deck[l.order[at%n]], image.Point{}
}

func (l *Loader) makeDeck() {
	if l.deck != nil {
		return
	}
	for i, item := range l.Set.Items {
		for range max(item.Repeats, 1) {
			l.deck = append(l.deck, i)
		}
	}
}

// text is the main caption half of the time, and any of the others otherwise.
func (l *Loader) text(texts []string, at int) string {
	if len(texts) == 0 {
		return ""
	}
	s := tensor.NewStream(l.Seed, drawText, uint64(at))
	if len(texts) == 1 || s.IntN(2) == 0 {
		return texts[0]
	}
	return texts[1+s.IntN(len(texts)-1)]
}

// Sound is Picks, with another picture in place of each that is broken: the
// next in the list that is sound. Too many broken ones are an error.
func (l *Loader) Sound(step int) ([]Pick, error) {
	picks := l.Picks(step)
	for i, p := range picks {
		sound, err := l.Set.sound(p)
		if err != nil {
			return nil, err
		}
		if sound != p.Index {
			picks[i].Index = sound
			picks[i].Text = l.text(l.Set.Items[sound].Texts, step*l.Batch+i)
		}
	}
	return picks, nil
}

// sound is the first picture from a pick's on that decodes and has its shape.
func (s *Set) sound(p Pick) (int, error) {
	for range s.Items {
		ok, err := s.Usable(p)
		if ok || err != nil {
			return p.Index, err
		}
		for next := true; next; next = s.bucketOf(p.Index) != p.Bucket {
			p.Index = (p.Index + 1) % len(s.Items)
		}
	}
	return 0, fault.Filef("no picture can be read")
}

// Usable says whether the picture of a pick decodes. One that does not is
// counted; the error says that there are too many of them.
func (s *Set) Usable(p Pick) (bool, error) {
	switch s.state.known(p.Index) {
	case good:
		return true, nil
	case bad:
		return false, nil
	}
	_, err := s.read(p)
	if err == nil {
		s.state.set(p.Index, good)
		return true, nil
	}
	return false, s.Skip(p.Index, err)
}

// Skip counts picture i as broken; the error says that there are too many.
func (s *Set) Skip(i int, err error) error {
	s.state.set(i, bad)
	return s.broken.add(s.Items[i].File, named(s.Items[i].File, err), s.options.MaxBroken)
}

// Images fills dst [Batch, H, W, 3] with the pictures of a step, and begins to
// decode those of the next.
func (l *Loader) Images(dst []float32, step int) error {
	picks, err := l.Sound(step)
	if err != nil {
		return err
	}
	l.Set.Ahead(l.Picks(step + 1))
	per := len(dst) / l.Batch
	for i, p := range picks {
		if err := l.Set.FillPick(dst[i*per:][:per], p); err != nil {
			return fmt.Errorf("a picture that could be read before: %w", err)
		}
	}
	return nil
}
