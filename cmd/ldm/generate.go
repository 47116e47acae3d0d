package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

const defaultSteps = 50

// drawFlags are what all commands that make pictures have in common.
type drawFlags struct {
	model                   modelFlags
	out                     string
	n, steps, width, height int
	seed                    seedFlag
	scale, eta              float64
}

func (f *drawFlags) register(cmd *cobra.Command) {
	f.model.register(cmd)
	f.seed.random = true
	cmd.Flags().StringVarP(&f.out, "out", "o", "output.png", "file to write ("+picture.Written+"); several pictures become a grid")
	cmd.Flags().IntVarP(&f.n, "n", "n", 1, "number of pictures; picture i has seed + i")
	cmd.Flags().VarP(&f.seed, "seed", "s", "seed; -1: a random one, which is printed")
	cmd.Flags().IntVar(&f.steps, "steps", defaultSteps, "steps of DDIM")
	cmd.Flags().Float64Var(&f.scale, "cfg-scale", 0, "strength of the guidance; 1: none (default: the model's: 5 for texts, 7.5 for Stable Diffusion, 1 for others)")
	cmd.Flags().Float64Var(&f.eta, "eta", 0, "noise added by DDIM, 0 to 1")
	cmd.Flags().IntVarP(&f.width, "width", "W", 0, "width in pixels (default: that of training)")
	cmd.Flags().IntVarP(&f.height, "height", "H", 0, "height in pixels (default: that of training)")
}

// open refuses what cannot work, and then opens the model.
func (f *drawFlags) open(cmd *cobra.Command) (*ldm.Model, error) {
	switch {
	case f.n < 1:
		return nil, fault.Inputf("-n %d: want at least 1", f.n)
	case f.n > 1<<20:
		return nil, fault.Inputf("-n %d: want at most %d", f.n, 1<<20)
	case f.steps < 1:
		return nil, fault.Inputf("--steps %d: want at least 1", f.steps)
	case cmd.Flags().Changed("cfg-scale") && !(f.scale > 0 && !math.IsInf(f.scale, 0)):
		return nil, fault.Inputf("--cfg-scale %g: want more than 0; 1 is no guidance", f.scale)
	case !(f.eta >= 0 && f.eta <= 1):
		return nil, fault.Inputf("--eta %g: want 0 to 1", f.eta)
	}
	if err := picture.CheckOutput(f.out); err != nil {
		return nil, err
	}
	return f.model.open()
}

// request has the flags' settings; the command adds what the picture is of.
func (f *drawFlags) request(cmd *cobra.Command) ldm.Request {
	r := ldm.Request{Seeds: ldm.Seeds(f.seed.get(), f.n), Steps: f.steps, Guidance: f.scale, Width: f.width, Height: f.height}
	if cmd.Flags().Changed("eta") {
		r.Eta = &f.eta
	}
	return r
}

// draw makes the pictures of a request, writes them and says where and with which
// seed.
func (f *drawFlags) draw(cmd *cobra.Command, m *ldm.Model, r ldm.Request) error {
	r.OnStep = progress()
	result, err := m.Generate(cmd.Context(), r)
	if err != nil {
		return err
	}
	columns := int(math.Ceil(math.Sqrt(float64(len(result.Images)))))
	if err := picture.Save(f.out, picture.Grid(result.Pixels, columns), picture.Options{}); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s (seed %d)\n", f.out, result.Request.Seeds[0])
	return nil
}

// progress shows the steps done.
func progress() func(ldm.Step) {
	var bar *progressbar.ProgressBar
	return func(s ldm.Step) {
		if bar == nil {
			bar = progressbar.Default(int64(s.Total), "sampling")
		}
		bar.Set(s.Done)
	}
}

// seedFlag is a seed on the command line: -1 or a whole number below 2^64.
type seedFlag struct {
	value  uint64
	random bool
}

// get is the seed, drawn if it is random.
func (s *seedFlag) get() uint64 {
	if s.random {
		s.value, s.random = uint64(rand.Uint32()), false
	}
	return s.value
}

func (s *seedFlag) String() string {
	if s.random {
		return "-1"
	}
	return strconv.FormatUint(s.value, 10)
}

func (s *seedFlag) Set(text string) (err error) {
	if s.random = text == "-1"; s.random {
		return nil
	}
	if s.value, err = strconv.ParseUint(text, 10, 64); err != nil {
		return fault.Inputf("want -1 or a whole number from 0 to %d", uint64(math.MaxUint64))
	}
	return nil
}

// Type names the flag's values in help texts.
func (s *seedFlag) Type() string { return "int" }
