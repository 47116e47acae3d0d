package main

import (
	"errors"
	"fmt"
	"image"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/sampler"
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
	flags.IntVar(&f.steps, "steps", 0, "steps of the sampler (default: 50; 4 for consistency models that are told their guidance)")
	flags.StringVar(&f.sampler, "sampler", "", "sampler, with or without a schedule after it, as \"DPM++ 2M Karras\"; ldm samplers lists them (default: DDIM; LCM for consistency models that are told their guidance)")
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

// condition puts what the model is told into a request: texts, a class or nothing.
func (f *drawFlags) condition(cmd *cobra.Command, m *ldm.Model, r *ldm.Request) (err error) {
	given := cmd.Flags().Changed
	if net := m.Network(); net.TextLength() > 0 && !net.LayoutTokens() || net.TakesVectors() {
		if given("class") {
			return fault.Inputf("--class: this model is conditioned on texts: want --prompt")
		}
		f.texts(cmd, m, r)
		return nil
	}
	if given("prompt") || given("negative-prompt") {
		return fault.Inputf("--prompt: this model takes no texts")
	}
	r.Condition, err = classOf(m, given("class"), f.class)
	return err
}

// builder makes the request of a command, by its flags as they are, and what becomes of
// its pictures.
type builder func(m *ldm.Model, r *ldm.Request) ([]finish, error)

// run opens the model and makes pictures: one request's, or a grid's.
func (f *drawFlags) run(cmd *cobra.Command, build builder) error {
	if f.server != "" {
		return f.remote(cmd)
	}
	axes, err := f.axes(cmd)
	if err != nil {
		return err
	}
	m, err := f.open()
	if err != nil {
		return err
	}
	defer m.Close()
	if len(axes) > 0 {
		return f.drawGrid(cmd, m, axes, build)
	}
	r, err := f.requestTo(cmd, m)
	if err != nil {
		return err
	}
	after, err := build(m, &r)
	if err != nil {
		return err
	}
	return f.draw(cmd, m, r, after...)
}

// text takes a prompt that stands without its flag.
func (f *drawFlags) text(cmd *cobra.Command, args []string) error {
	args, err := f.secondAxis(args)
	switch given := cmd.Flags().Changed("prompt"); {
	case err != nil:
		return err
	case len(args) == 0:
		return nil
	case cmd.Flags().Lookup("prompt") == nil:
		return usagef("%q: ldm %s takes no argument", args[0], cmd.Name())
	case len(args) > 1:
		return fault.Inputf("two prompts: %q and %q", args[0], args[1])
	case given:
		return fault.Inputf("two prompts: %q and --prompt %q", args[0], f.prompt)
	}
	return cmd.Flags().Set("prompt", args[0])
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
	if err := f.controls.prepare(); err != nil {
		return err
	}
	return f.adapters.prepare(cmd.Context(), f.prompt, f.negative)
}

// firstSeed draws a random seed.
func (f *drawFlags) firstSeed() uint64 { return f.seed.get() }

// open loads the model.
func (f *drawFlags) open() (*ldm.Model, error) {
	f.model_.start(f.model.path)
	m, err := f.model.open()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.adapters.apply(m), f.retrieval.apply(m)); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// requestTo is request with the model's own steps and sampler where no flag names them.
func (f *drawFlags) requestTo(cmd *cobra.Command, m *ldm.Model) (ldm.Request, error) {
	r, err := f.request(cmd)
	if r.Steps == 0 {
		r.Steps = m.Network().DefaultSteps()
	}
	if r.Sampler.Run == nil {
		r.Sampler = m.Network().DefaultSampler()
	}
	if err == nil {
		r.Controls, err = f.controls.of(m)
	}
	return r, err
}

// request has the flags' settings; the command adds what the picture is of.
func (f *drawFlags) request(cmd *cobra.Command) (r ldm.Request, err error) {
	r = ldm.Request{Seeds: ldm.Seeds(f.firstSeed(), f.n), Steps: f.steps, Guidance: f.scale, Rescale: f.rescale, Width: f.width, Height: f.height}
	if cmd.Flags().Changed("eta") {
		r.Eta = &f.eta
	}
	if f.sampler != "" {
		if r.Sampler, r.Schedule, err = sampler.Parse(f.sampler); err != nil {
			return r, err
		}
	}
	if f.schedule != "" {
		if r.Schedule, err = sampler.ParseSchedule(f.schedule); err != nil {
			return r, err
		}
	}
	if r.Random, err = sampler.ParseSource(f.rng); err != nil {
		return r, err
	}
	if r.Interval, err = parseInterval(f.interval); err != nil {
		return r, err
	}
	r.Savings, err = f.saved(cmd)
	return r, err
}

// maxPixels bounds the pictures that commands make room for before the model is asked.
const maxPixels = 1 << 28

// sane tells whether there is room for a picture.
func sane(width, height int) bool {
	w, h := max(width, 1), max(height, 1)
	return w <= maxPixels/h
}

// parseInterval reads 0.2,0.8.
func parseInterval(text string) (out [2]float64, err error) {
	if text == "" {
		return out, nil
	}
	from, to, ok := strings.Cut(text, ",")
	var errs [2]error
	out[0], errs[0] = strconv.ParseFloat(strings.TrimSpace(from), 64)
	out[1], errs[1] = strconv.ParseFloat(strings.TrimSpace(to), 64)
	if !ok || errors.Join(errs[0], errs[1]) != nil || !(out[0] >= 0 && out[0] < out[1] && out[1] <= 1) {
		return out, fault.Inputf("--cfg-interval %s: want two shares of the steps, from 0 to 1, as 0.2,0.8", text)
	}
	return out, nil
}

// texts puts the prompts into a request.
func (f *drawFlags) texts(cmd *cobra.Command, m *ldm.Model, r *ldm.Request) {
	r.Condition = ldm.Prompt(plain(f.prompt))
	r.ClipSkip = f.clipSkip
	if f.skipIsTheirs && f.clipSkip > 0 && m.Network().CLIP == nil {
		f.remarkOnce(fmt.Sprintf("%s: clip skip %d is left out: the model's text encoder is not CLIP", f.from, f.clipSkip))
		r.ClipSkip = 0
	}
	f.negativeText(cmd, m, r)
	f.remark(m, plain(f.prompt))
}

// negativeText puts the negative prompt into a request.
func (f *drawFlags) negativeText(cmd *cobra.Command, m *ldm.Model, r *ldm.Request) {
	if cmd.Flags().Changed("negative-prompt") {
		r.Negative = ldm.Prompt(f.negative)
		f.remark(m, f.negative)
	}
}

// finish is what becomes of a picture that the model made of a seed, before it is written.
type finish func(img image.Image, seed uint64) (image.Image, error)

// draw makes the pictures of a request, writes them and says where and with which
// seed. With a pattern of names each is written as soon as a batch of them is done.
func (f *drawFlags) draw(cmd *cobra.Command, m *ldm.Model, r ldm.Request, after ...finish) error {
	undo, err := f.makeFit(m, &r)
	if err != nil {
		return err
	}
	after = append([]finish{undo}, after...)
	show := newShow(cmd.Context(), f.preview, len(r.Seeds))
	defer show.Close()
	batch := len(r.Seeds)
	if f.names.pattern() {
		batch = min(batch, f.atOnce(m, r))
	}
	for first := 0; first < len(r.Seeds); first += batch {
		part := slice(r, first, min(first+batch, len(r.Seeds)))
		part.OnStep = show.step(first, len(part.Seeds))
		out, err := m.Generate(cmd.Context(), part)
		if err != nil {
			return err
		}
		images, err := finished(out.Images, out.Request.Seeds, after)
		if err != nil {
			return err
		}
		if err := f.write(cmd, show, out.Request, images, first); err != nil {
			return err
		}
	}
	return nil
}

// atOnce is how many pictures are made before the first of them is written.
func (f *drawFlags) atOnce(m *ldm.Model, r ldm.Request) int {
	const pixels = 1 << 18
	w, h := f.sizeOf(m, r)
	return max(pixels/(w*h), 1)
}

// sizeOf is about the size of a request's pictures.
func (f *drawFlags) sizeOf(m *ldm.Model, r ldm.Request) (w, h int) {
	side := m.Network().LatentSide() * m.FirstStage().Factor()
	w, h = side, side
	if start := startOf(r); start != nil {
		w, h = start.Bounds().Dx(), start.Bounds().Dy()
	}
	if r.Width > 0 {
		w = r.Width
	}
	if r.Height > 0 {
		h = r.Height
	}
	return max(w, 1), max(h, 1)
}

// slice is a request for some of the pictures of another.
func slice(r ldm.Request, from, to int) ldm.Request {
	r.Seeds = r.Seeds[from:to]
	part := func(c ldm.Condition) ldm.Condition {
		if each, ok := c.(ldm.Each); ok {
			return each[from:to]
		}
		return c
	}
	r.Condition, r.Negative = part(r.Condition), part(r.Negative)
	return r
}

func finished(images []image.Image, seeds []uint64, after []finish) (out []image.Image, err error) {
	for i, img := range images {
		for _, f := range after {
			if img, err = f(img, seeds[i]); err != nil {
				return nil, err
			}
		}
		out = append(out, img)
	}
	return out, nil
}

// write saves pictures, the first of which has a number among all, and names them.
func (f *drawFlags) write(cmd *cobra.Command, show *show, r ldm.Request, images []image.Image, first int) error {
	if !f.names.pattern() {
		images = []image.Image{grid(images, columns(len(images)))}
	}
	for i, img := range images {
		path := f.names.path(first+i, r.Seeds[i])
		notes, err := f.notes(cmd, r, i, img.Bounds().Size())
		if err != nil {
			return err
		}
		if err := picture.Save(path, img, picture.Options{Notes: notes}); err != nil {
			return err
		}
		if err := show.Print(f.names.tell(cmd), fmt.Sprintf("%s (seed %d)", path, r.Seeds[i])); err != nil {
			return err
		}
	}
	return nil
}

// columns is that of a grid about as wide as high.
func columns(n int) int { return int(math.Ceil(math.Sqrt(float64(n)))) }

// remark says once what a text loses on its way into the model.
func (f *drawFlags) remark(m *ldm.Model, text string) {
	for _, line := range m.Remarks(text) {
		f.remarkOnce(line)
	}
}

func (f *drawFlags) remarkOnce(line string) {
	if f.told == nil {
		f.told = map[string]bool{}
	}
	if !f.told[line] {
		f.told[line] = true
		status(line)
	}
}
