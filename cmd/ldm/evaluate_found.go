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
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric/features"
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

func evaluateLayout() *cobra.Command {
	f := found{size: 256}
	cmd := &cobra.Command{
		Use:   "layout TRAINING SET GENERATED",
		Short: "Measure in how many boxes of layouts the thing asked for is found",
		Long: `Measures in what share of the boxes of a set the thing that was asked for is found in
the pictures that were made for them, which bear the names of the set's pictures. A
linear classifier on features learns from the boxes of a training set what things look
like. Beside it are printed what the same measure gives for the set's own pictures, and
for the made ones against the boxes' contents of other pictures (chance).`,
		Example: "  ldm evaluate layout coco/train coco/validation samples",
		Args:    cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := f.featureFlags.open(nil)
			if err != nil {
				return err
			}
			defer e.Close()
			if err := f.open(args); err != nil {
				return err
			}
			defer f.close()
			if len(f.train.Categories) < 2 {
				return fault.Inputf("%s has boxes of %d kinds of things: want at least 2", args[0], len(f.train.Categories))
			}
			numbers := renumber(f.set.Categories, f.train.Categories)
			d, err := dimensions(cmd.Context(), e)
			if err != nil {
				return err
			}
			t, failed, err := f.run(cmd, d, len(f.train.Categories), func(ctx context.Context, s *data.Set, i int, img *image.RGBA) ([]place, error) {
				return boxPlaces(ctx, e, s, i, img, func(class int) int {
					if s == f.set {
						return numbers[class]
					}
					return class
				})
			})
			if err != nil {
				return err
			}
			name := e.Name
			if name == "" {
				name = "Inception"
			}
			how := "linear classifier on " + name + ", " + e.Filter
			return t.write(cmd, &failed, how, "boxes", false)
		},
	}
	f.featureFlags.register(cmd)
	f.registerThreads(cmd)
	cmd.Flags().IntVar(&f.size, "size", f.size, "side in pixels at which pictures are measured")
	return cmd
}

// dimensions is the length of the features' vectors.
func dimensions(ctx context.Context, e *features.Extractor) (int, error) {
	v, _, err := e.Vectors(ctx, []*image.RGBA{image.NewRGBA(image.Rect(0, 0, 32, 32))})
	if err != nil {
		return 0, err
	}
	return len(v[0]), nil
}

// smallestBox is the least side in pixels of a box in which anything can be seen.
const smallestBox = 8

// boxPlaces are the boxes of a picture that are large enough, and not of crowds.
func boxPlaces(ctx context.Context, e *features.Extractor, s *data.Set, i int, img *image.RGBA, number func(int) int) ([]place, error) {
	var list []place
	var crops []*image.RGBA
	first := 0
	flush := func() error {
		v, _, err := e.Vectors(ctx, crops)
		for k := range v {
			list[first+k].vector = v[k]
		}
		crops, first = crops[:0], len(list)
		return err
	}
	side := float64(img.Rect.Dx())
	for _, b := range s.BoxesOf(data.Pick{Index: i, X: .5, Y: .5}) {
		class := number(b.Class)
		r := image.Rect(int(b.X*side), int(b.Y*side), int((b.X+b.W)*side+.5), int((b.Y+b.H)*side+.5)).Intersect(img.Rect)
		if class < 0 || b.Crowd || r.Dx() < smallestBox || r.Dy() < smallestBox {
			continue
		}
		list = append(list, place{class: class})
		if crops = append(crops, picture.OnWhite(img.SubImage(r))); len(crops) == e.Batch() {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if len(crops) > 0 {
		if err := flush(); err != nil {
			return nil, err
		}
	}
	return list, nil
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

func evaluateSemantic() *cobra.Command {
	f := found{size: 256}
	cmd := &cobra.Command{
		Use:   "semantic TRAINING SET GENERATED",
		Short: "Measure how far pictures agree with the maps they were made from",
		Long: `Measures how far pictures agree with the maps of labels that they were made from. They
bear the names of the set's pictures, whose maps are companions of them (images/a.jpg,
labels/a.png). A linear classifier on SqueezeNet's features at every place learns from a
training set what labels look like; printed are the share of places where the label that
was asked for is found and the mean over the labels of intersection over union, for the
made pictures, for the set's own, and for the made ones against other maps (chance).`,
		Example: "  ldm evaluate semantic landscapes/train landscapes/validation samples",
		Args:    cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if err := f.open(args); err != nil {
				return err
			}
			defer f.close()
			local, err := features.NewLocal(cpu.New(cpu.Options{Threads: f.threads}), engine.Options{}, f.size)
			if err != nil {
				return err
			}
			defer local.Close()
			return f.semantic(cmd, local)
		},
	}
	cmd.Flags().IntVar(&f.count, "count", 0, "pictures of each set, evenly spread over it (default: all)")
	f.registerThreads(cmd)
	cmd.Flags().IntVar(&f.size, "size", f.size, "side in pixels at which pictures are measured")
	cmd.Flags().StringVar(&f.name, "maps", "label", "name of the companions that are the maps")
	return cmd
}

// stride is from one place of a map to the next that counts: neighbours say the same.
const stride = 4

func (f *found) semantic(cmd *cobra.Command, local *features.Local) error {
	numbers, err := f.labels(cmd.Context())
	if err != nil {
		return err
	}
	x := make([]float32, f.size*f.size*3)
	grid, err := local.Features(cmd.Context(), x)
	if err != nil {
		return err
	}
	unseen := len(numbers) // stands for labels that are in no map of the training set
	t, failed, err := f.run(cmd, grid.D, unseen+1, func(ctx context.Context, s *data.Set, i int, img *image.RGBA) ([]place, error) {
		labels, err := s.Labels(data.Pick{Index: i, X: .5, Y: .5}, f.name)
		if err != nil {
			return nil, err
		}
		picture.Fill(x, img)
		g, err := local.Features(ctx, x)
		if err != nil {
			return nil, err
		}
		var list []place
		for y := stride / 2; y < g.H; y += stride {
			for x := stride / 2; x < g.W; x += stride {
				class, ok := numbers[labels.Index[y*labels.Height/g.H*labels.Width+x*labels.Width/g.W]]
				if !ok {
					class = unseen
				}
				list = append(list, place{class, g.At(y, x)})
			}
		}
		return list, nil
	})
	if err != nil {
		return err
	}
	how := fmt.Sprintf("linear classifier on SqueezeNet's features at each place, at %d pixels, %d labels", f.size, unseen)
	return t.write(cmd, &failed, how, "places", true)
}

// labels numbers those that are in the maps of the training set. Maps that cannot be
// read are left out: run says so.
func (f *found) labels(ctx context.Context) (map[int32]int, error) {
	numbers := map[int32]int{}
	for _, i := range f.picked(f.train) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l, err := f.train.Labels(data.Pick{Index: i, X: .5, Y: .5}, f.name)
		if err != nil {
			continue
		}
		for _, v := range l.Index {
			if _, ok := numbers[v]; !ok {
				numbers[v] = len(numbers)
			}
		}
	}
	if len(numbers) < 2 {
		return nil, fault.Inputf("the maps (%s) of the training set have %d labels: want at least 2", f.name, len(numbers))
	}
	return numbers, nil
}
