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
	"github.com/ldm-go/ldm/tensor"
)

// The default settings of sampling.
const (
	defaultSteps = 50
	defaultScale = 5.0 // as in the reference
)

// sampleFlags are what all commands that draw pictures have in common.
type sampleFlags struct {
	out                     string
	n, steps, width, height int
	seed                    int64
	scale, eta              float64
}

func (f *sampleFlags) register(cmd *cobra.Command, scale float64, guidance string) {
	cmd.Flags().StringVarP(&f.out, "out", "o", "output.png", "PNG file; several pictures become a grid")
	cmd.Flags().IntVarP(&f.n, "n", "n", 1, "number of pictures; picture i has seed + i")
	cmd.Flags().Int64VarP(&f.seed, "seed", "s", -1, "seed; -1: a random one, which is printed")
	cmd.Flags().IntVar(&f.steps, "steps", defaultSteps, "steps of DDIM")
	cmd.Flags().Float64Var(&f.scale, "cfg-scale", scale, guidance)
	cmd.Flags().Float64Var(&f.eta, "eta", 0, "noise added by DDIM, 0 to 1")
	cmd.Flags().IntVarP(&f.width, "width", "W", 0, "width in pixels (default: that of training)")
	cmd.Flags().IntVarP(&f.height, "height", "H", 0, "height in pixels (default: that of training)")
}

// check refuses what cannot work before anything is loaded.
func (f *sampleFlags) check() error {
	if f.n < 1 {
		return fmt.Errorf("-n %d: want at least 1", f.n)
	}
	if f.seed < 0 {
		f.seed = int64(rand.Uint32())
	}
	return writable(f.out)
}

func (f *sampleFlags) seeds() []uint64 {
	seeds := make([]uint64, f.n)
	for i := range seeds {
		seeds[i] = uint64(f.seed) + uint64(i)
	}
	return seeds
}

// progress shows the steps done.
func progress() func(done, total int) {
	bar := progressbar.Default(-1, "sampling")
	return func(done, total int) {
		bar.ChangeMax(total)
		bar.Set(done)
	}
}

// save writes the pictures as one PNG and says where and with which seed.
func (f *sampleFlags) save(pictures *tensor.Tensor) error {
	if err := data.SavePNG(f.out, data.Grid(pictures, int(math.Ceil(math.Sqrt(float64(f.n)))))); err != nil {
		return err
	}
	fmt.Printf("%s (seed %d)\n", f.out, f.seed)
	return nil
}

func textToImage() *cobra.Command {
	var f modelFlags
	var s sampleFlags
	var prompt, negative string
	cmd := &cobra.Command{
		Use:     "txt2img -p PROMPT",
		Short:   "Make pictures of a text",
		Example: "  ldm txt2img -p \"a red apple\"\n  ldm txt2img -p \"a cat face\" -n 16 --seed 7 -o cats.png",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.check(); err != nil {
				return err
			}
			m, err := f.open()
			if err != nil {
				return err
			}
			defer m.Close()
			pictures, err := m.TextToImage(cmd.Context(), ldm.TextRequest{
				Prompts: slices.Repeat([]string{prompt}, s.n), Negative: negative, Seeds: s.seeds(),
				Steps: s.steps, Scale: s.scale, Eta: s.eta, Width: s.width, Height: s.height, Progress: progress(),
			})
			if err != nil {
				return err
			}
			return s.save(pictures)
		},
	}
	f.register(cmd)
	s.register(cmd, defaultScale, "strength of the guidance by the text; 1: none")
	cmd.Flags().StringVarP(&prompt, "prompt", "p", "", "what to show")
	cmd.Flags().StringVar(&negative, "negative-prompt", "", "what to lead away from")
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
