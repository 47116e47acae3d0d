package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/perceptual"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// evaluateCaptions counts how often the picture that a caption belongs to is
// among those nearest to the sample.
func evaluateCaptions() *cobra.Command {
	var f modelFlags
	var adapters adapterFlags
	var sampling string
	var count, nearest, steps int
	var among []string
	var seed uint64
	var scale float64
	cmd := &cobra.Command{
		Use:   "captions FOLDER",
		Short: "Count how often a sample of a caption is near the caption's picture",
		Long: `Samples the main captions of pictures spread evenly over a folder with the default
settings, and counts how often the caption's own picture is among the pictures
of the whole folder, and of those of --among, nearest to the sample by LPIPS (squeeze).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if count < 1 || nearest < 1 || steps < 0 {
				return fault.Inputf("--count %d, --nearest %d, --steps %d: want at least 1 each (steps 0: the model's)", count, nearest, steps)
			}
			var method sampler.Method
			var schedule sampler.Schedule
			if sampling != "" {
				var err error
				if method, schedule, err = sampler.Parse(sampling); err != nil {
					return err
				}
			}
			if err := adapters.prepare(cmd.Context(), "", ""); err != nil {
				return err
			}
			m, err := f.open()
			if err != nil {
				return err
			}
			defer m.Close()
			if err := adapters.apply(m); err != nil {
				return err
			}
			size := m.Network().LatentSide() * m.FirstStage().Factor()
			set, err := data.Open(args[0], size)
			if err != nil {
				return err
			}
			defer set.Close()
			asked, err := captioned(set, count)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			prompts, seeds := make(ldm.Each, len(asked)), make([]uint64, len(asked))
			for i, at := range asked {
				prompts[i], seeds[i] = ldm.Prompt(set.Items[at].Texts[0]), seed+uint64(i)
			}
			bar := newShow(cmd.Context(), "", len(asked))
			result, err := m.Generate(cmd.Context(), ldm.Request{Condition: prompts, Seeds: seeds, Steps: steps, Guidance: scale, Sampler: method, Schedule: schedule, OnStep: bar.step(0, len(asked))})
			bar.Close()
			if err != nil {
				return err
			}
			var failed failures
			total := set.Len()
			rivals := []*data.Set{set}
			for _, place := range among {
				more, err := data.Open(place, size)
				if err != nil {
					return err
				}
				defer more.Close()
				rivals, total = append(rivals, more), total+more.Len()
			}
			ranks, err := rank(cmd.Context(), result.Pixels, rivals, asked, &failed)
			if err != nil {
				return err
			}
			hits := 0
			for i, r := range ranks {
				if r < nearest {
					hits++
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%d\t%s\n", r+1, prompts[i]); err != nil {
					return err
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d of %d captions (%.1f %%): the asked picture is among the %d nearest of %d by %s\n",
				hits, len(asked), 100*float64(hits)/float64(len(asked)), nearest, total-failed.n, perceptual.Squeeze)
			return failed.err(total, "pictures")
		},
	}
	f.register(cmd)
	cmd.Flags().IntVar(&count, "count", 200, "number of captions")
	cmd.Flags().IntVar(&nearest, "nearest", 5, "how many of the nearest pictures count")
	cmd.Flags().StringSliceVar(&among, "among", nil, "more folders of pictures that may be nearer than the caption's own")
	adapters.register(cmd)
	cmd.Flags().StringVar(&sampling, "sampler", "", "how to sample, as of ldm samplers (default: the model's, DDIM or LCM)")
	cmd.Flags().IntVar(&steps, "steps", 0, "steps of sampling (default: the model's, 50 or 4)")
	cmd.Flags().Float64Var(&scale, "cfg-scale", 0, "strength of the guidance; 1: none (default: the model's)")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "seed of the first caption; the others follow")
	return cmd
}

// captioned are at most n pictures that have captions and can be read, evenly
// spread over those of the set.
func captioned(set *data.Set, n int) ([]int, error) {
	var all []int
	for i, item := range set.Items {
		if len(item.Texts) == 0 {
			continue
		}
		if _, err := set.Image(i); err == nil { // else rank says what is wrong
			all = append(all, i)
		}
	}
	if len(all) == 0 {
		return nil, fault.Inputf("no picture has a caption")
	}
	n = min(n, len(all))
	asked := make([]int, n)
	for i := range asked {
		asked[i] = all[i*len(all)/n]
	}
	return asked, nil
}

// rank tells for every sample how many pictures of the sets are nearer to it than
// the one of the first set that was asked for. Pictures that cannot be read are left out.
func rank(ctx context.Context, samples *tensor.Tensor, sets []*data.Set, asked []int, failed *failures) ([]int, error) {
	embedder, err := perceptual.NewEmbedder(cpu.New(cpu.Options{}), engine.Options{}, 1, sets[0].Size)
	if err != nil {
		return nil, err
	}
	vectors := make([][]float32, samples.Shape[0])
	for i := range vectors {
		v, err := embedder.Embed(ctx, samples.Row(i).F32)
		if err != nil {
			return nil, err
		}
		vectors[i] = slices.Clone(v.F32)
	}
	total, done := 0, 0
	for _, set := range sets {
		total += set.Len()
	}
	m := newMeter("ranking", total, "pictures")
	defer m.Close()
	distances, own := make([][]float64, len(vectors)), make([]float64, len(vectors))
	for s, k := 0, 0; s < len(sets); k++ {
		if k == sets[s].Len() {
			s, k = s+1, -1
			continue
		}
		x, err := sets[s].Image(k)
		if err != nil {
			failed.add(m, err)
			continue
		}
		v, err := embedder.Embed(ctx, x.F32)
		if err != nil {
			return nil, err
		}
		for i, w := range vectors {
			d := squaredDistance(v.F32, w)
			distances[i] = append(distances[i], d)
			if s == 0 && k == asked[i] {
				own[i] = d
			}
		}
		done++
		m.Set(float64(done))
	}
	ranks := make([]int, len(vectors))
	for i, d := range distances {
		slices.Sort(d)
		ranks[i], _ = slices.BinarySearch(d, own[i])
	}
	return ranks, nil
}

func squaredDistance(a, b []float32) float64 {
	var s float32
	var total float64
	for i, v := range a {
		d := v - b[i]
		s += d * d
		if i&1023 == 1023 {
			total += float64(s)
			s = 0
		}
	}
	return total + float64(s)
}
