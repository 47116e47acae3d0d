package main

import (
	"context"
	"fmt"
	"sort"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/perceptual"
	"github.com/ldm-go/ldm/tensor"
)

func evaluate() *cobra.Command {
	cmd := &cobra.Command{Use: "evaluate", Short: "Measure a model"}
	cmd.AddCommand(evaluateCaptions())
	return cmd
}

// evaluateCaptions counts how often the picture that a caption belongs to is
// among those nearest to the sample.
func evaluateCaptions() *cobra.Command {
	var f modelFlags
	var count, nearest, steps int
	var seed uint64
	var scale float64
	cmd := &cobra.Command{
		Use:   "captions FOLDER",
		Short: "Count how often a sample of a caption is near the caption's picture",
		Long: `Samples the main captions of pictures spread evenly over a folder with the default
settings, and counts how often the caption's own picture is among the pictures
of the whole folder nearest to the sample by LPIPS (squeeze).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := f.open()
			if err != nil {
				return err
			}
			size := m.Network().Params.ImageSize * m.FirstStage().Factor()
			set, err := data.Open(args[0], size)
			if err != nil {
				return err
			}
			if count < 1 || nearest < 1 || steps < 1 {
				return fault.Inputf("--count %d, --nearest %d, --steps %d: want at least 1 each", count, nearest, steps)
			}
			count = min(count, set.Len())
			asked, prompts, seeds := make([]int, count), make(ldm.Each, count), make([]uint64, count)
			for i := range asked {
				asked[i] = i * set.Len() / count
				prompts[i], seeds[i] = ldm.Prompt(set.Items[asked[i]].Texts[0]), seed+uint64(i)
			}
			result, err := m.Generate(cmd.Context(), ldm.Request{
				Condition: prompts, Seeds: seeds, Steps: steps, Guidance: scale,
				OnStep: progress(),
			})
			if err != nil {
				return err
			}
			ranks, err := rank(cmd.Context(), result.Pixels, set, asked)
			if err != nil {
				return err
			}
			hits := 0
			for i, r := range ranks {
				if r < nearest {
					hits++
				}
				fmt.Printf("%d\t%s\n", r+1, prompts[i])
			}
			fmt.Printf("%d of %d captions (%.1f %%): the asked picture is among the %d nearest\n", hits, count, 100*float64(hits)/float64(count), nearest)
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().IntVar(&count, "count", 200, "number of captions")
	cmd.Flags().IntVar(&nearest, "nearest", 5, "how many of the nearest pictures count")
	cmd.Flags().IntVar(&steps, "steps", defaultSteps, "steps of DDIM")
	cmd.Flags().Float64Var(&scale, "cfg-scale", 0, "strength of the guidance; 1: none (default: the model's)")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "seed of the first caption; the others follow")
	return cmd
}

// rank tells for every sample how many pictures of the set are nearer to it
// than the one asked for.
func rank(ctx context.Context, samples *tensor.Tensor, set *data.Set, asked []int) ([]int, error) {
	embedder, err := perceptual.NewEmbedder(cpu.New(cpu.Options{}), engine.Options{}, 1, set.Size)
	if err != nil {
		return nil, err
	}
	vectors := make([][]float32, samples.Shape[0])
	for i := range vectors {
		v, err := embedder.Embed(ctx, samples.Row(i).F32)
		if err != nil {
			return nil, err
		}
		vectors[i] = append([]float32(nil), v.F32...)
	}
	distances := make([][]float64, len(vectors))
	for i := range distances {
		distances[i] = make([]float64, set.Len())
	}
	for k := range set.Len() {
		x, err := set.Image(k)
		if err != nil {
			return nil, err
		}
		v, err := embedder.Embed(ctx, x.F32)
		if err != nil {
			return nil, err
		}
		for i, w := range vectors {
			distances[i][k] = squaredDistance(v.F32, w)
		}
	}
	ranks := make([]int, len(vectors))
	for i, d := range distances {
		own := d[asked[i]]
		sort.Float64s(d)
		ranks[i] = sort.SearchFloat64s(d, own)
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
