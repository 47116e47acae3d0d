package data

import (
	"image"
	"math"
	"slices"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Buckets lists sizes of about the same area as size x size, from tall to wide,
// with sides that are multiples of unit and proportions up to most to 1. A set
// that has them gives each picture the shape that cuts the least of it.
func Buckets(size, unit int, most float64) ([]image.Point, error) {
	if size < 1 || unit < 1 || size%unit != 0 || !(most >= 1 && most <= 16) {
		return nil, fault.Inputf("buckets of %d pixels in steps of %d up to %g to 1: want a multiple, and 1 to 16", size, unit, most)
	}
	var list []image.Point
	for w := unit; w <= size*size/unit; w += unit {
		h := size * size / w / unit * unit // no larger than the square's area
		if h < unit || math.Max(float64(w)/float64(h), float64(h)/float64(w)) > most {
			continue
		}
		p := image.Pt(w, h)
		if i := slices.IndexFunc(list, func(q image.Point) bool { return q.Y == h }); i >= 0 {
			list[i] = p // the wider of the same height wastes less
			continue
		}
		list = append(list, p)
	}
	return list, nil
}

// SetBuckets gives every picture a shape. The headers must have been read.
func (s *Set) SetBuckets(list []image.Point) error {
	if len(list) == 0 {
		return fault.Inputf("no buckets")
	}
	s.buckets = make([]image.Point, len(s.Items))
	for i, item := range s.Items {
		if item.Width == 0 || item.Height == 0 {
			return fault.Inputf("%s: its size is not known", item.File)
		}
		best := math.Inf(1)
		for _, b := range list {
			d := math.Abs(math.Log(float64(item.Width) * float64(b.Y) / (float64(item.Height) * float64(b.X))))
			if d < best {
				best, s.buckets[i] = d, b
			}
		}
	}
	return nil
}

// Bucket is the shape that picture i has; zero where all have the set's.
func (s *Set) Bucket(i int) image.Point { return s.bucketOf(i) }

func (s *Set) bucketOf(i int) image.Point {
	if s.buckets == nil {
		return image.Point{}
	}
	return s.buckets[i]
}

// plan is an epoch in batches: each of one bucket, filled up from its beginning
// where it does not divide.
type plan struct {
	epoch   int
	batches [][]int
}

func (l *Loader) fromBuckets(step, i int) (int, image.Point) {
	n := l.steps()
	if epoch := step / n; l.plan == nil || l.plan.epoch != epoch {
		l.plan = l.draw(epoch)
	}
	index := l.plan.batches[step%n][i]
	return index, l.Set.buckets[index]
}

// members are the deck's pictures by bucket, in the order of the first of each.
func (l *Loader) members() [][]int {
	places := map[image.Point]int{}
	var list [][]int
	for _, index := range l.deck {
		b := l.Set.buckets[index]
		at, known := places[b]
		if !known {
			at = len(list)
			places[b] = at
			list = append(list, nil)
		}
		list[at] = append(list[at], index)
	}
	return list
}

// steps is the number of batches in an epoch.
func (l *Loader) steps() int {
	l.makeDeck()
	n := 0
	for _, m := range l.members() {
		n += (len(m) + l.Batch - 1) / l.Batch
	}
	return n
}

func (l *Loader) draw(epoch int) *plan {
	p := &plan{epoch: epoch}
	var all [][]int
	for k, m := range l.members() {
		perm := tensor.NewStream(l.Seed, drawOrder, uint64(epoch), uint64(k)).Perm(len(m))
		for at := 0; at < len(m); at += l.Batch {
			batch := make([]int, l.Batch)
			for i := range batch {
				batch[i] = m[perm[(at+i)%len(m)]]
			}
			all = append(all, batch)
		}
	}
	for _, k := range tensor.NewStream(l.Seed, drawBatches, uint64(epoch)).Perm(len(all)) {
		p.batches = append(p.batches, all[k])
	}
	return p
}
