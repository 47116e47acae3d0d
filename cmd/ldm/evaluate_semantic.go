package main

import (
	"context"
	"fmt"
	"image"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric/features"
	"github.com/ldm-go/ldm/picture"
)

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
