package data

import (
	"fmt"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Keys of the loader's random streams.
const (
	drawOrder = iota + 1000
	drawMirror
	drawText
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
}

// Pick is a picture of a batch.
type Pick struct {
	Index  int
	Mirror bool
	Text   string // one of its captions
}

// Picks lists the pictures of a step, counted from 0. Every epoch is a new
// permutation; batches run on across the epochs' ends.
func (l *Loader) Picks(step int) []Pick {
	l.makeDeck()
	n := len(l.deck)
	picks := make([]Pick, l.Batch)
	for i := range picks {
		at := step*l.Batch + i
		epoch := at / n
		if l.order == nil || l.epoch != epoch {
			l.order = tensor.NewStream(l.Seed, drawOrder, uint64(epoch)).Perm(n)
			l.epoch = epoch
		}
		p := Pick{Index: l.deck[l.order[at%n]]}
		p.Mirror = l.Mirror && tensor.NewStream(l.Seed, drawMirror, uint64(at)).IntN(2) == 1
		p.Text = l.text(l.Set.Items[p.Index].Texts, at)
		picks[i] = p
	}
	return picks
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
		index, err := l.Set.sound(p.Index)
		if err != nil {
			return nil, err
		}
		if index != p.Index {
			picks[i].Index = index
			picks[i].Text = l.text(l.Set.Items[index].Texts, step*l.Batch+i)
		}
	}
	return picks, nil
}

// sound is the first picture from i on that decodes.
func (s *Set) sound(i int) (int, error) {
	for range s.Items {
		ok, err := s.Usable(i)
		if ok || err != nil {
			return i, err
		}
		i = (i + 1) % len(s.Items)
	}
	return 0, fault.Filef("no picture can be read")
}

// Usable says whether picture i decodes. One that does not is counted; the error
// says that there are too many of them.
func (s *Set) Usable(i int) (bool, error) {
	switch s.state.known(i) {
	case good:
		return true, nil
	case bad:
		return false, nil
	}
	_, err := s.read(i)
	if err == nil {
		s.state.set(i, good)
		return true, nil
	}
	s.state.set(i, bad)
	return false, s.broken.add(s.Items[i].File, err, s.options.MaxBroken)
}

// Images fills dst [Batch, Size, Size, 3] with the pictures of a step.
func (l *Loader) Images(dst []float32, step int) error {
	picks, err := l.Sound(step)
	if err != nil {
		return err
	}
	per := l.Set.Size * l.Set.Size * 3
	for i, p := range picks {
		if err := l.Set.Fill(dst[i*per:][:per], p.Index, p.Mirror); err != nil {
			return fmt.Errorf("a picture that could be read before: %w", err)
		}
	}
	return nil
}
