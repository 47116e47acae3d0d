package main

import (
	"context"
	"fmt"
	"image"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric"
	"github.com/ldm-go/ldm/metric/compare"
	"github.com/ldm-go/ldm/metric/features"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// thumbnail is the side of the pictures that are shown beside each other.
const thumbnail = 192

func evaluateNearest() *cobra.Command {
	var f featureFlags
	var out string
	var nearest int
	cmd := &cobra.Command{
		Use:   "nearest TRAINING SAMPLE|FOLDER...",
		Short: "Show the pictures of the training set that are nearest to samples",
		Long: `Finds for every sample the pictures of a training set that are nearest to it by the
features of a network, and prints them with their distances (does the model repeat
what it has seen?). With -o, a picture shows every sample at the left, and its nearest
ones beside it.`,
		Example: "  ldm evaluate nearest emoji/train output.png -o nearest.png",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if nearest < 1 {
				return fault.Inputf("--nearest %d: want at least 1", nearest)
			}
			if out != "" {
				if err := picture.CheckOutput(out); err != nil {
					return err
				}
			}
			return f.nearest(cmd, args[0], args[1:], nearest, out)
		},
	}
	f.register(cmd)
	f.registerThreads(cmd)
	cmd.Flags().IntVar(&nearest, "nearest", 4, "how many pictures for each sample")
	cmd.Flags().StringVarP(&out, "out", "o", "", "picture that shows them")
	return cmd
}

func (f *featureFlags) nearest(cmd *cobra.Command, training string, places []string, nearest int, out string) error {
	files, err := data.Pictures([]string{training})
	if err != nil {
		return err
	}
	samples, err := data.Pictures(places)
	if err != nil {
		return err
	}
	e, err := f.open(nil)
	if err != nil {
		return err
	}
	defer e.Close()
	var failed failures
	set := compare.Files(training, files).Spread(f.count)
	known, err := measure(cmd, e, set, &failed)
	if err != nil {
		return err
	}
	var rows []*image.RGBA
	for _, path := range samples {
		row, err := f.neighbours(cmd, e, set, known, path, nearest, files)
		if err != nil {
			if cmd.Context().Err() != nil {
				return cmd.Context().Err()
			}
			m := newMeter("", 1, "")
			failed.add(m, named(path, err))
			m.Close()
			continue
		}
		rows = append(rows, row...)
	}
	if out != "" && len(rows) > 0 {
		t := tensor.New(len(rows), thumbnail, thumbnail, 3)
		for i, img := range rows {
			picture.Fill(t.Row(i).F32, img)
		}
		if err := picture.Save(out, picture.Grid(t, nearest+1), picture.Options{}); err != nil {
			return err
		}
	}
	return failed.err(len(samples)+set.N, "pictures")
}

// neighbours prints those of a sample, and gives their thumbnails behind its own.
func (f *featureFlags) neighbours(cmd *cobra.Command, e *features.Extractor, set compare.Pictures, known *compare.Set, path string, nearest int, files []string) ([]*image.RGBA, error) {
	sample := compare.Files("", []string{path})
	img, err := sample.Image(cmd.Context(), 0)
	if err != nil {
		return nil, err
	}
	vectors, _, err := e.Vectors(cmd.Context(), []*image.RGBA{img})
	if err != nil {
		return nil, err
	}
	row := []*image.RGBA{picture.Square(img, thumbnail)}
	list := known.Features.Nearest(vectors[0], nearest)
	for _, n := range list {
		near, err := f.show(cmd.Context(), set, known, n)
		if err != nil {
			return nil, err
		}
		row = append(row, near)
		at := known.Pictures[n.Index]
		if set.N < len(files) {
			at = at * len(files) / set.N
		}
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\t%.4g\n", path, files[at], n.Distance); err != nil {
			return nil, err
		}
	}
	for len(row) < nearest+1 {
		row = append(row, image.NewRGBA(image.Rect(0, 0, thumbnail, thumbnail)))
	}
	return row, nil
}

func (f *featureFlags) show(ctx context.Context, set compare.Pictures, known *compare.Set, n metric.Neighbour) (*image.RGBA, error) {
	img, err := set.Image(ctx, known.Pictures[n.Index])
	if err != nil {
		return nil, err
	}
	return picture.Square(img, thumbnail), nil
}
