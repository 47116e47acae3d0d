package data

import (
	"github.com/ldm-go/ldm/tensor"
)

// Keys of the loader's random streams.
const (
	drawOrder = iota + 1000
	drawMirror
	drawText
)

// Loader deals the pictures of a set out in batches. What a step gets depends
// on the seed and the step alone.
type Loader struct {
	Set    *Set
	Batch  int
	Seed   uint64
	Mirror bool // flip half of the pictures

	epoch int
	order []int
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
	n := l.Set.Len()
	picks := make([]Pick, l.Batch)
	for i := range picks {
		at := step*l.Batch + i
		epoch := at / n
		if l.order == nil || l.epoch != epoch {
			l.order = tensor.NewStream(l.Seed, drawOrder, uint64(epoch)).Perm(n)
			l.epoch = epoch
		}
		p := Pick{Index: l.order[at%n]}
		p.Mirror = l.Mirror && tensor.NewStream(l.Seed, drawMirror, uint64(at)).IntN(2) == 1
		p.Text = l.text(l.Set.Items[p.Index].Texts, at)
		picks[i] = p
	}
	return picks
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

// Images fills dst [Batch, Size, Size, 3] with the pictures of a step.
func (l *Loader) Images(dst []float32, step int) error {
	per := l.Set.Size * l.Set.Size * 3
	for i, p := range l.Picks(step) {
		if err := l.Set.Fill(dst[i*per:][:per], p.Index, p.Mirror); err != nil {
			return err
		}
	}
	return nil
}
