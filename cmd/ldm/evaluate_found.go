package main

import (
	"context"
	"fmt"
	"image"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric/probe"
	"github.com/ldm-go/ldm/picture"
)

// found measures whether what pictures should show can be found in them: a linear
// classifier learns from a training set what it looks like, and is asked of the
// pictures that were made for another set, of that set's own, and of the made ones
// against what other pictures should show.
type found struct {
	featureFlags
	size int
	name string // of the maps

	train, set *data.Set
	made       map[string]string // the file that was made for each picture, by its name
}

// open lists the three sets.
func (f *found) open(args []string) (err error) {
	if f.size < 32 {
		return fault.Inputf("--size %d: want at least 32 pixels", f.size)
	}
	if f.train, err = data.OpenSet(args[0], data.Options{Size: f.size}); err != nil {
		return err
	}
	if f.set, err = data.OpenSet(args[1], data.Options{Size: f.size}); err != nil {
		return err
	}
	files, err := data.Pictures(args[2:])
	if err != nil {
		return err
	}
	f.made = map[string]string{}
	for _, path := range files {
		f.made[baseName(path)] = path
	}
	return nil
}

func (f *found) close() {
	for _, s := range []*data.Set{f.train, f.set} {
		if s != nil {
			s.Close()
		}
	}
}

func baseName(path string) string {
	return strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
}

// picked are at most --count pictures of a set, evenly spread.
func (f *found) picked(s *data.Set) []int {
	n := s.Len()
	if f.count > 0 {
		n = min(n, f.count)
	}
	list := make([]int, n)
	for i := range list {
		list[i] = i * s.Len() / n
	}
	return list
}

// square is the picture that was made for a set's picture, at the size of the
// measure; nil if there is none.
func (f *found) square(i int) (*image.RGBA, error) {
	path, ok := f.made[baseName(f.set.Items[i].File)]
	if !ok {
		return nil, nil
	}
	img, err := picture.Decode(path)
	if err != nil {
		return nil, named(path, err)
	}
	return picture.Square(picture.OnWhite(img), f.size), nil
}

// own is a set's picture at that size.
func own(s *data.Set, i int) (*image.RGBA, error) {
	x, err := s.Image(i)
	if err != nil {
		return nil, err
	}
	return picture.Image(x.Row(0)), nil
}

// place is one that should show a class: its vector.
type place struct {
	class  int
	vector []float32
}

// tally is what is found in the pictures that were made, in the set's own, and in
// those that were made if what they should show is another's.
type tally struct {
	made, real, shuffled *probe.Agreement
	pictures             int // all that were measured
}

func newTally(classes int) tally {
	return tally{made: probe.NewAgreement(classes), real: probe.NewAgreement(classes), shuffled: probe.NewAgreement(classes)}
}

// run trains the classifier on places of the training set and asks it of the
// others. places gives those of a picture by what a set says of it.
func (f *found) run(cmd *cobra.Command, d, classes int, places func(ctx context.Context, s *data.Set, i int, img *image.RGBA) ([]place, error)) (tally, failures, error) {
	trainer, t := probe.NewTrainer(d, classes), newTally(classes)
	var failed failures
	train, asked := f.picked(f.train), f.picked(f.set)
	t.pictures = len(train) + 2*len(asked)
	m := newMeter("measuring", t.pictures, "pictures")
	defer m.Close()
	done := 0
	each := func(s *data.Set, list []int, open func(i int) (*image.RGBA, error), use func([]place)) error {
		for _, i := range list {
			img, err := open(i)
			if err == nil && img == nil {
				err = fault.Inputf("no picture was made for %s: want one of the same name", s.Items[i].File)
			}
			var list []place
			if err == nil {
				list, err = places(cmd.Context(), s, i, img)
			}
			if cmd.Context().Err() != nil {
				return cmd.Context().Err()
			}
			if err != nil {
				failed.add(m, err)
			}
			use(list)
			done++
			m.Set(float64(done))
		}
		return nil
	}
	err := each(f.train, train, func(i int) (*image.RGBA, error) { return own(f.train, i) }, func(list []place) {
		for _, p := range list {
			trainer.Add(p.vector, p.class)
		}
	})
	if err != nil {
		return t, failed, err
	}
	p, err := trainer.Fit()
	if err != nil {
		return t, failed, err
	}
	err = each(f.set, asked, func(i int) (*image.RGBA, error) { return own(f.set, i) }, func(list []place) {
		for _, place := range list {
			t.real.Add(place.class, p.Class(place.vector))
		}
	})
	if err != nil {
		return t, failed, err
	}
	var classesBefore []int // of the picture before: what a shuffled set asks for
	err = each(f.set, asked, f.square, func(list []place) {
		var classes []int
		for k, place := range list {
			class := p.Class(place.vector)
			t.made.Add(place.class, class)
			if len(classesBefore) > 0 {
				t.shuffled.Add(classesBefore[k%len(classesBefore)], class)
			}
			classes = append(classes, place.class)
		}
		if len(classes) > 0 {
			classesBefore = classes
		}
	})
	return t, failed, err
}

// renumber gives for each name its place in another list, or -1.
func renumber(from, to []string) []int {
	numbers := make([]int, len(from))
	for i, name := range from {
		numbers[i] = slices.Index(to, name)
	}
	return numbers
}

// write prints the shares.
func (t tally) write(cmd *cobra.Command, failed *failures, how, unit string, iou bool) error {
	lines := []string{"measured by\t" + how}
	for _, part := range []struct {
		name string
		a    *probe.Agreement
	}{{"generated pictures", t.made}, {"the set's own pictures", t.real}, {"generated pictures, shuffled (chance)", t.shuffled}} {
		asked := 0
		for _, n := range part.a.Asked {
			asked += n
		}
		line := fmt.Sprintf("%s\tfound %.2f %% of %d %s", part.name, 100*part.a.Share(), asked, unit)
		if iou {
			line += fmt.Sprintf("\tmean IoU %.4f", part.a.MeanIoU())
		}
		lines = append(lines, line)
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), strings.Join(lines, "\n")); err != nil {
		return err
	}
	return failed.err(t.pictures, "pictures")
}
