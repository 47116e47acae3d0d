package main

import (
	"context"
	"image"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric/features"
	"github.com/ldm-go/ldm/picture"
)

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
