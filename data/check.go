package data

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// Report is what Check found.
type Report struct {
	Place  string
	Splits []SplitReport
	Leaks  [][]string // the same picture in several splits
}

// SplitReport is what was found in one split, or in a set without splits.
type SplitReport struct {
	Summary    Summary
	Formats    map[string]int // pictures by their files' endings
	Sizes      Spread         // of the shorter sides, in pixels
	Smallest   image.Point
	Largest    image.Point
	Wide       map[string]int // pictures by proportions: tall, portrait, square, landscape, wide
	Words      Spread         // of the first captions
	Classes    map[string]int
	Categories map[string]int // boxes by what they hold
	Odd        []string       // boxes and companions that cannot be right
	Broken     []string
	Duplicates [][]string // files with the same picture

	prints []fingerprint
}

// Spread is the least, the middle and the greatest of some numbers.
type Spread struct{ Least, Middle, Greatest int }

// CheckOptions of Check.
type CheckOptions struct {
	HeadersOnly bool                  // do not decode pictures, which finds fewer faults and no duplicates
	Progress    func(done, total int) // called by one goroutine at a time, each number once and in order
}

// counter gives the function to call after each picture, from any goroutine.
func (o CheckOptions) counter(sets []*Set) func() {
	if o.Progress == nil {
		return func() {}
	}
	total := 0
	for _, s := range sets {
		total += s.Len()
	}
	var mu sync.Mutex
	done := 0
	return func() {
		mu.Lock()
		defer mu.Unlock()
		done++
		o.Progress(done, total)
	}
}

// Check reads all of a set, and says what is in it and what is wrong with it.
func Check(ctx context.Context, place string, o CheckOptions) (*Report, error) {
	r := &Report{Place: place}
	var sets []*Set
	for _, split := range []string{"train", "validation", "test"} {
		s, err := OpenSet(place, Options{Size: 1, Split: split, MaxBroken: 1, Err: ctx.Err})
		if err != nil && errors.Is(err, errNoSplit) {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer s.Close()
		sets = append(sets, s)
	}
	if len(sets) == 0 {
		s, err := OpenSet(place, Options{Size: 1, MaxBroken: 1, Err: ctx.Err})
		if err != nil {
			return nil, err
		}
		defer s.Close()
		sets = append(sets, s)
	}
	one := o.counter(sets)
	for _, s := range sets {
		c := s.describe()
		if !o.HeadersOnly {
			if err := c.decode(ctx, s, one); err != nil {
				return nil, err
			}
		}
		for _, err := range s.Broken() {
			c.Broken = append(c.Broken, err.Error())
		}
		c.Summary.Broken = len(c.Broken)
		c.Duplicates = alike(c.prints)
		r.Splits = append(r.Splits, c)
	}
	r.findLeaks()
	return r, nil
}

// describe counts what the headers and the metadata say.
func (s *Set) describe() SplitReport {
	c := SplitReport{Summary: s.Summary, Formats: map[string]int{}, Wide: map[string]int{}, Classes: map[string]int{}, Categories: map[string]int{}}
	var sides, words []int
	for _, it := range s.Items {
		c.Formats[strings.ToLower(path.Ext(it.source.Name))]++
		sides = append(sides, min(it.Width, it.Height))
		size := image.Pt(it.Width, it.Height)
		if c.Smallest == (image.Point{}) || size.X*size.Y < c.Smallest.X*c.Smallest.Y {
			c.Smallest = size
		}
		if size.X*size.Y > c.Largest.X*c.Largest.Y {
			c.Largest = size
		}
		c.Wide[proportions(size)]++
		if it.Class >= 0 {
			c.Classes[s.Classes[it.Class]]++
		}
		if len(it.Texts) > 0 {
			words = append(words, len(strings.Fields(it.Texts[0])))
		}
		for _, b := range it.Boxes {
			c.Categories[s.Categories[b.Class]]++
			const slack = 0.01
			if b.W <= 0 || b.H <= 0 || b.X < -slack || b.Y < -slack || b.X+b.W > 1+slack || b.Y+b.H > 1+slack {
				c.Odd = append(c.Odd, fmt.Sprintf("%s: the box of %s at %.3f,%.3f of %.3fx%.3f is empty or outside the picture", it.File, s.Categories[b.Class], b.X, b.Y, b.W, b.H))
			}
		}
	}
	c.Sizes, c.Words = spread(sides), spread(words)
	return c
}

func proportions(size image.Point) string {
	switch r := float64(size.X) / float64(size.Y); {
	case r < 0.6:
		return "tall"
	case r < 0.95:
		return "portrait"
	case r <= 1.05:
		return "square"
	case r <= 1.7:
		return "landscape"
	}
	return "wide"
}

func spread(list []int) Spread {
	if len(list) == 0 {
		return Spread{}
	}
	slices.Sort(list)
	return Spread{list[0], list[len(list)/2], list[len(list)-1]}
}

// fingerprint tells pictures apart: the same file, or nearly the same pixels.
type fingerprint struct {
	file     string
	content  [32]byte
	gradient uint64     // whether each of 8x8 places is brighter than its right neighbour
	thumb    [768]uint8 // 16x16 pixels
}

// decode reads every picture.
func (c *SplitReport) decode(ctx context.Context, s *Set, done func()) error {
	prints, odd := make([]*fingerprint, s.Len()), make([][]string, s.Len())
	var mu sync.Mutex
	parallel(s.Len(), func(i int) {
		if ctx.Err() != nil {
			return
		}
		p, err := s.fingerprint(i)
		if err != nil {
			mu.Lock()
			s.broken.add(s.Items[i].File, err, 1)
			mu.Unlock()
		}
		prints[i], odd[i] = p, s.oddCompanions(i)
		done()
	})
	c.Odd = append(c.Odd, slices.Concat(odd...)...)
	for _, p := range prints {
		if p != nil {
			c.prints = append(c.prints, *p)
		}
	}
	return ctx.Err()
}

// oddCompanions says which companions of a picture cannot be used with it.
func (s *Set) oddCompanions(i int) []string {
	var list []string
	item := s.Items[i]
	for _, name := range sortedKeys(item.Others) {
		other := item.Others[name]
		raw, err := other.Read()
		var w, h int
		if err == nil {
			w, h, err = picture.SizeAt(bytes.NewReader(raw), int64(len(raw)))
		}
		if err == nil {
			err = s.fits(Pick{Index: i}, other, w, h)
		}
		if err == nil && name == "label" {
			_, err = picture.DecodeLabels(raw)
		}
		if err != nil {
			list = append(list, named(other.Path(), err).Error())
		}
	}
	return list
}

func (s *Set) fingerprint(i int) (*fingerprint, error) {
	raw, err := s.Items[i].source.Read(maxPicture)
	if err != nil {
		return nil, err
	}
	img, err := picture.DecodeBytes(raw)
	if err != nil {
		return nil, named(s.Items[i].File, err)
	}
	f := &fingerprint{file: s.Items[i].File, content: sha256.Sum256(raw)}
	flat := picture.OnWhite(img)
	small := picture.Resize(flat, 9, 8, picture.Box)
	light := func(x, y int) int {
		p := small.Pix[y*small.Stride+4*x:]
		return 2*int(p[0]) + 5*int(p[1]) + int(p[2])
	}
	for y := range 8 {
		for x := range 8 {
			if light(x, y) > light(x+1, y) {
				f.gradient |= 1 << (8*y + x)
			}
		}
	}
	thumb := picture.Resize(flat, 16, 16, picture.Box)
	for i := range 256 {
		copy(f.thumb[3*i:3*i+3], thumb.Pix[4*i:])
	}
	return f, nil
}

// alike groups files that hold the same picture.
func alike(prints []fingerprint) [][]string {
	byGradient := map[uint64][]int{}
	for i, p := range prints {
		byGradient[p.gradient] = append(byGradient[p.gradient], i)
	}
	var groups [][]string
	for _, members := range byGradient {
		grouped := make([]bool, len(members))
		for a := range members {
			if grouped[a] {
				continue
			}
			group := []string{prints[members[a]].file}
			for b := a + 1; b < len(members); b++ {
				if !grouped[b] && same(&prints[members[a]], &prints[members[b]]) {
					grouped[b] = true
					group = append(group, prints[members[b]].file)
				}
			}
			if len(group) > 1 {
				slices.Sort(group)
				groups = append(groups, group)
			}
		}
	}
	slices.SortFunc(groups, func(a, b []string) int { return cmp.Compare(a[0], b[0]) })
	return groups
}

// same says whether two pictures differ no more than by their compression.
func same(a, b *fingerprint) bool {
	if a.content == b.content {
		return true
	}
	sum := 0
	for i, v := range a.thumb {
		d := max(int(v)-int(b.thumb[i]), int(b.thumb[i])-int(v))
		if d > 8 {
			return false
		}
		sum += d
	}
	return sum < len(a.thumb)
}

// findLeaks looks for pictures that several splits have.
func (r *Report) findLeaks() {
	if len(r.Splits) < 2 {
		return
	}
	var all []fingerprint
	split := map[string]int{}
	for i := range r.Splits {
		for _, p := range r.Splits[i].prints {
			split[p.file] = i
			all = append(all, p)
		}
	}
	for _, group := range alike(all) {
		if slices.ContainsFunc(group, func(f string) bool { return split[f] != split[group[0]] }) {
			r.Leaks = append(r.Leaks, group)
		}
	}
}

// Err is an error if what was found would stop training: too many broken files.
func (r *Report) Err() error {
	for _, c := range r.Splits {
		if n := len(c.Broken); n > max(1, (c.Summary.Pictures+n)/10) {
			return fault.Filef("%s: %d broken pictures are more than training allows (one in ten)", r.Place, n)
		}
	}
	return nil
}
