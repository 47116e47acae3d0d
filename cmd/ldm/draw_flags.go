package main

import (
	"math"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
)

// drawFlags are what all commands that make pictures have in common.
type drawFlags struct {
	model     modelFlags
	adapters  adapterFlags
	controls  controlFlags
	retrieval retrievalFlags
	names     names
	serverFlags
	n, steps, width, height int
	seed                    seedFlag
	scale, eta, rescale     float64
	interval, preview, from string
	sampler, schedule, rng  string
	clipSkip                int
	fit, noMetadata         bool
	prompt, negative, class string
	grid                    []string // two settings and their values

	savings ldm.Savings
	deep    string // Savings.DeepCache

	inputs map[string]bool // the flags that name a picture or another file to read
	told   map[string]bool // remarks that were made

	repeated bool // --from-image has been taken over

	skipIsTheirs bool // clip skip comes from another program's picture
	model_       modelHash
}

func (f *drawFlags) register(cmd *cobra.Command) {
	f.model.register(cmd)
	f.adapters.register(cmd)
	f.controls.register(cmd)
	f.retrieval.register(cmd)
	f.names.register(cmd)
	f.serverFlags.register(cmd)
	f.seed.random = true
	flags := cmd.Flags()
	flags.IntVarP(&f.n, "n", "n", 1, "number of pictures; picture i has seed + i")
	flags.VarP(&f.seed, "seed", "s", "seed; -1: a random one, which is printed")
	flags.IntVar(&f.steps, "steps", 0, "steps of the sampler (default: 50; 4 for consistency models)")
	flags.StringVar(&f.sampler, "sampler", "", "sampler, with or without a schedule after it, as \"DPM++ 2M Karras\"; ldm samplers lists them (default: DDIM; LCM for consistency models)")
	flags.StringVar(&f.schedule, "scheduler", "", "schedule of the noise levels (default: the sampler's own)")
	flags.StringVar(&f.rng, "rng", "ldm", "random numbers: ldm, or torch-cpu or torch-cuda for those that PyTorch's programs draw from the same seed")
	flags.Float64Var(&f.scale, "cfg-scale", 0, "strength of the guidance; 1: none (default: the model's: 5 for texts, 7.5 for Stable Diffusion, 8.5 for consistency models that are told it, 1 for others)")
	flags.Float64Var(&f.rescale, "cfg-rescale", 0, "0 to 1: how far guided pictures are brought back to the contrast of unguided ones")
	flags.StringVar(&f.interval, "cfg-interval", "", "guidance in a share of the steps alone, as 0.2,0.8 (default: in all)")
	flags.Float64Var(&f.savings.AdaptiveGuidance, "adaptive-guidance", 0, "save time: end a picture's guidance once both predicted latents have this cosine similarity, as 0.99")
	flags.Float64Var(&f.savings.MergeTokens, "token-merging", 0, "save time: share of the tokens, up to 0.75, that the U-Net's self-attention takes together, as 0.5")
	flags.StringVar(&f.deep, "deep-cache", "", "save time: compute the U-Net's deep part at every so many evaluations alone, as 3; or 3,2 with the branch that begins the shallow part")
	flags.Float64Var(&f.eta, "eta", 0, "fresh noise in every step, 0 to 1, for samplers that have it (default: the sampler's own)")
	flags.IntVarP(&f.width, "width", "W", 0, "width in pixels (default: that of training, or of the picture that is given)")
	flags.IntVarP(&f.height, "height", "H", 0, "height in pixels (default: that of training, or of the picture that is given)")
	flags.BoolVar(&f.fit, "fit", false, "make sizes legal that are not: the picture is made larger and cut")
	flags.StringVar(&f.preview, "preview", "", "show the picture as it forms: a file to write, or auto, kitty, iterm2 or sixel for the terminal")
	flags.StringVar(&f.from, "from-image", "", "repeat a picture of this program, or take what is common from another program's; flags that are given count before it")
	flags.StringArrayVar(&f.grid, "grid", nil, "a picture for every two values of one or two settings, with labels: --grid \"steps=10,20\" \"cfg-scale=1,3,7\"")
	flags.BoolVar(&f.noMetadata, "no-metadata", false, "do not write into the pictures how they were made")
}

// registerText adds the flags of texts.
func (f *drawFlags) registerText(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.prompt, "prompt", "p", "", "what to show")
	cmd.Flags().StringVar(&f.negative, "negative-prompt", "", "what to lead away from")
	cmd.Flags().IntVar(&f.clipSkip, "clip-skip", 0, "layers of CLIP's text encoder counted from the end: 1 is the last, 2 the one before (default: the model's)")
}

// registerAny adds the flags of what a model of texts or of classes is told.
func (f *drawFlags) registerAny(cmd *cobra.Command) {
	f.registerText(cmd)
	cmd.Flags().StringVar(&f.class, "class", "", "number of the class, from 0, or its name in the model's file")
}

// input says that flags name files to read, which a picture's recipe keeps with
// their digests.
func (f *drawFlags) input(names ...string) {
	if f.inputs == nil {
		f.inputs = map[string]bool{}
	}
	for _, name := range names {
		f.inputs[name] = true
	}
}

// check takes the settings of --from-image over, and refuses what cannot work before
// any work is done.
func (f *drawFlags) check(cmd *cobra.Command) error {
	if err := f.repeat(cmd); err != nil {
		return err
	}
	if err := f.legal(cmd); err != nil {
		return err
	}
	if err := checkPreview(f.preview); err != nil {
		return err
	}
	return f.names.check(f.n, f.firstSeed())
}

// legal refuses settings that are wrong whatever the model.
func (f *drawFlags) legal(cmd *cobra.Command) error {
	switch {
	case f.n < 1:
		return fault.Inputf("-n %d: want at least 1", f.n)
	case f.n > 1<<20:
		return fault.Inputf("-n %d: want at most %d", f.n, 1<<20)
	case f.steps < 0 || f.steps == 0 && cmd.Flags().Changed("steps"):
		return fault.Inputf("--steps %d: want at least 1", f.steps)
	case cmd.Flags().Changed("cfg-scale") && !(f.scale > 0 && !math.IsInf(f.scale, 0)):
		return fault.Inputf("--cfg-scale %g: want more than 0; 1 is no guidance", f.scale)
	case !(f.rescale >= 0 && f.rescale <= 1):
		return fault.Inputf("--cfg-rescale %g: want 0 to 1", f.rescale)
	case !(f.eta >= 0 && f.eta <= 1):
		return fault.Inputf("--eta %g: want 0 to 1", f.eta)
	case f.width < 0 || f.height < 0 || !sane(f.width, f.height):
		return fault.Inputf("-W %d -H %d: want a size in pixels, at most %d of them", f.width, f.height, maxPixels)
	case f.clipSkip < 0 || f.clipSkip > 12:
		return fault.Inputf("--clip-skip %d: want 1 to 12", f.clipSkip)
	case !f.seed.random && f.seed.value > math.MaxUint64-uint64(f.n-1):
		return fault.Inputf("--seed %d: picture %d would have a seed beyond %d", f.seed.value, f.n, uint64(math.MaxUint64))
	}
	if _, err := f.request(cmd); err != nil {
		return err
	}
	if err := f.controls.prepare(f.server != ""); err != nil {
		return err
	}
	return f.adapters.prepare(cmd.Context(), f.prompt, f.negative)
}

// firstSeed draws a random seed.
func (f *drawFlags) firstSeed() uint64 { return f.seed.get() }

// maxPixels bounds the pictures that commands make room for before the model is asked.
const maxPixels = 1 << 28

// sane tells whether there is room for a picture.
func sane(width, height int) bool {
	w, h := max(width, 1), max(height, 1)
	return w <= maxPixels/h
}
