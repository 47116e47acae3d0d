package main

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/sampler"
)

// wayFlags are those of a way between pictures.
type wayFlags struct {
	drawFlags
	seeds, prompts    []string
	frames, perSecond int
	loop              bool
}

func interpolate() *cobra.Command {
	var f wayFlags
	cmd := &cobra.Command{
		Use:   "interpolate [PROMPT...] [--seeds A,B...]",
		Short: "Go from one picture to another through those between",
		Long: `Makes the pictures on the way between prompts (or classes), between seeds, or both: noise
and what the model is told go along the arc between two of them (slerp). -o says what
comes of it: a GIF or a PNG that moves (frames.gif, frames.png), or a file for each frame
where the name is a pattern (frames/%03d.png).`,
		Example: "  ldm interpolate \"a cat face\" \"a dog face\" --frames 24 -o morph.gif\n" +
			"  ldm interpolate \"a rocket\" --seeds 1,2,3 --loop -o frames/%03d.png",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.take(cmd, args); err != nil {
				return err
			}
			stops, err := f.stops()
			if err != nil {
				return err
			}
			if err := f.checkWay(cmd); err != nil {
				return err
			}
			m, err := f.open()
			if err != nil {
				return err
			}
			defer m.Close()
			return f.travel(cmd, m, stops)
		},
	}
	f.register(cmd)
	cmd.Flags().StringArrayVarP(&f.prompts, "prompt", "p", nil, "a stop's text, in place of an argument; once for each")
	cmd.Flags().StringVar(&f.negative, "negative-prompt", "", "what to lead away from")
	cmd.Flags().IntVar(&f.clipSkip, "clip-skip", 0, "layers of CLIP's text encoder counted from the end (default: the model's)")
	cmd.Flags().StringSliceVar(&f.seeds, "seeds", nil, "seeds to go through, as 1,2,3 (default: --seed alone)")
	cmd.Flags().IntVar(&f.frames, "frames", 16, "steps from each stop to the next; the last stop is one more picture")
	cmd.Flags().IntVar(&f.perSecond, "fps", 12, "pictures a second of what moves")
	cmd.Flags().BoolVar(&f.loop, "loop", false, "go back to the first stop at the end")
	for _, name := range []string{"n", "grid"} {
		cmd.Flags().MarkHidden(name)
	}
	return cmd
}

// stop is a picture on the way that is given.
type stop struct {
	text string
	seed uint64
}

// take takes the texts that stand without their flag, and the settings of --from-image over.
func (f *wayFlags) take(cmd *cobra.Command, args []string) error {
	for _, name := range []string{"n", "grid", "fit"} {
		if cmd.Flags().Changed(name) {
			return fault.Inputf("--%s: ldm interpolate has none; --frames says how many pictures there are", name)
		}
	}
	if len(f.prompts) > 0 && len(args) > 0 {
		return fault.Inputf("%q and --prompt %q: want all texts in the one way or the other", args[0], f.prompts[0])
	}
	for _, text := range args {
		if err := cmd.Flags().Set("prompt", text); err != nil {
			return err
		}
	}
	if err := f.repeat(cmd); err != nil {
		return err
	}
	if len(f.seeds) > 0 && cmd.Flags().Changed("seed") {
		return fault.Inputf("--seed and --seeds: want one of them")
	}
	return nil
}

// stops joins prompts and seeds; of one there may be one for all of the other.
func (f *wayFlags) stops() ([]stop, error) {
	prompts := f.prompts
	seeds := []uint64{f.firstSeed()}
	for i, text := range f.seeds {
		v, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return nil, fault.Inputf("--seeds: %q: want whole numbers, as 1,2,3", text)
		}
		if seeds = append(seeds[:min(i, len(seeds))], v); i == 0 {
			f.seed.value, f.seed.random = v, false
		}
	}
	n := max(len(prompts), len(seeds))
	if n < 2 {
		return nil, fault.Inputf("from where to where? want two prompts or more, or --seeds A,B")
	}
	if len(prompts) > 1 && len(seeds) > 1 && len(prompts) != len(seeds) {
		return nil, fault.Inputf("%d prompts and %d seeds: want as many of both, or one of one of them", len(prompts), len(seeds))
	}
	out := make([]stop, n)
	for i := range out {
		if len(prompts) > 0 {
			out[i].text = prompts[min(i, len(prompts)-1)]
		}
		out[i].seed = seeds[min(i, len(seeds)-1)]
	}
	if f.loop {
		out = append(out, out[0])
	}
	return out, nil
}

func (f *wayFlags) checkWay(cmd *cobra.Command) error {
	switch ext := strings.ToLower(filepath.Ext(f.names.out)); {
	case f.frames < 1 || f.frames > 10000:
		return fault.Inputf("--frames %d: want 1 to 10000", f.frames)
	case f.perSecond < 1 || f.perSecond > 100:
		return fault.Inputf("--fps %d: want 1 to 100", f.perSecond)
	case !f.names.pattern() && ext != ".png" && ext != ".gif":
		return fault.Inputf("-o %s: what moves is written as .gif or .png; or give a pattern, as frames/%%03d.png", f.names.out)
	}
	f.names.moving = true
	return f.check(cmd)
}

// travel makes all frames and writes them.
func (f *wayFlags) travel(cmd *cobra.Command, m *ldm.Model, stops []stop) error {
	r, err := f.requestTo(cmd, m)
	if err != nil {
		return err
	}
	told := make([]ldm.Condition, len(stops))
	for i, s := range stops {
		if told[i], err = f.toldOf(m, s.text); err != nil {
			return err
		}
	}
	if cmd.Flags().Changed("negative-prompt") {
		if m.Network().TextLength() == 0 {
			return fault.Inputf("--negative-prompt: this model takes no texts")
		}
		f.negativeText(cmd, m, &r)
	}
	r.ClipSkip = f.clipSkip
	total := f.frames*(len(stops)-1) + 1
	if f.loop {
		total--
	}
	var each ldm.Each
	ends := make([]noiseEnds, total)
	for i := range total {
		k := min(i/f.frames, len(stops)-2)
		share := float64(i-k*f.frames) / float64(f.frames)
		each = append(each, between{told[k], told[k+1], share})
		ends[i] = noiseEnds{stops[k].seed, stops[k+1].seed, share}
	}
	if told[0] != nil {
		r.Condition = each
	}
	r.Seeds = ldm.Seeds(0, total)
	path, err := r.Sampler.Path(r.Schedule, m.Network().Schedule, r.Steps)
	if err != nil {
		return err
	}
	r.Noise = func(frames []uint64) sampler.Noise { return f.noise(r, path, ends, frames) }
	return f.animate(cmd, m, r, stops[0].seed)
}

// toldOf is what a model is told at a stop.
func (f *wayFlags) toldOf(m *ldm.Model, text string) (ldm.Condition, error) {
	net := m.Network()
	switch {
	case net.TextLength() > 0 && !net.LayoutTokens():
		if plain(text) != text {
			return nil, fault.Inputf("%q: adapters cannot change on the way between prompts: want --lora", text)
		}
		f.remark(m, text)
		return ldm.Prompt(text), nil
	case text == "":
		return classOf(m, false, "")
	}
	return classOf(m, true, text)
}
