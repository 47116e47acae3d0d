package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/data"
)

// The default settings of sampling.
const (
	defaultSteps = 50
	defaultScale = 5.0 // as in the reference
)

func textToImage() *cobra.Command {
	var f modelFlags
	var prompt, negative, out string
	var n, steps, width, height int
	var seed int64
	var scale, eta float64
	cmd := &cobra.Command{
		Use:     "txt2img -p PROMPT",
		Short:   "Make pictures of a text",
		Example: "  ldm txt2img -p \"a red apple\"\n  ldm txt2img -p \"a cat face\" -n 16 --seed 7 -o cats.png",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if n < 1 {
				return fmt.Errorf("-n %d: want at least 1", n)
			}
			if err := writable(out); err != nil {
				return err
			}
			m, err := f.open()
			if err != nil {
				return err
			}
			defer m.Close()
			if seed < 0 {
				seed = int64(rand.Uint32())
			}
			seeds := make([]uint64, n)
			for i := range seeds {
				seeds[i] = uint64(seed) + uint64(i)
			}
			bar := progressbar.Default(-1, "sampling")
			pictures, err := m.TextToImage(cmd.Context(), ldm.TextRequest{
				Prompts: slices.Repeat([]string{prompt}, n), Negative: negative, Seeds: seeds,
				Steps: steps, Scale: scale, Eta: eta, Width: width, Height: height,
				Progress: func(done, total int) {
					bar.ChangeMax(total)
					bar.Set(done)
				},
			})
			if err != nil {
				return err
			}
			if err := data.SavePNG(out, data.Grid(pictures, int(math.Ceil(math.Sqrt(float64(n)))))); err != nil {
				return err
			}
			fmt.Printf("%s (seed %d)\n", out, seed)
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().StringVarP(&prompt, "prompt", "p", "", "what to show")
	cmd.Flags().StringVar(&negative, "negative-prompt", "", "what to lead away from")
	cmd.Flags().StringVarP(&out, "out", "o", "output.png", "PNG file; several pictures become a grid")
	cmd.Flags().IntVarP(&n, "n", "n", 1, "number of pictures; picture i has seed + i")
	cmd.Flags().Int64VarP(&seed, "seed", "s", -1, "seed; -1: a random one, which is printed")
	cmd.Flags().IntVar(&steps, "steps", defaultSteps, "steps of DDIM")
	cmd.Flags().Float64Var(&scale, "cfg-scale", defaultScale, "strength of the guidance by the text; 1: none")
	cmd.Flags().Float64Var(&eta, "eta", 0, "noise added by DDIM, 0 to 1")
	cmd.Flags().IntVarP(&width, "width", "W", 0, "width in pixels (default: that of training)")
	cmd.Flags().IntVarP(&height, "height", "H", 0, "height in pixels (default: that of training)")
	cmd.MarkFlagRequired("prompt")
	return cmd
}

// writable makes sure, before the work begins, that the result can be written.
func writable(path string) error {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		return fmt.Errorf("cannot write %s: it is not a file", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".ldm-*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	f.Close()
	return os.Remove(f.Name())
}
