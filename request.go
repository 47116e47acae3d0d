package ldm

import (
	"image"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/sampler"
)

// Request asks for pictures. Zero values mean the model's defaults; Result.Request
// says what they were.
type Request struct {
	// Condition is what the pictures should show; Each gives one to each picture.
	// Negative is what the guidance leads away from: by default the empty text or
	// the empty class.
	Condition, Negative Condition
	// ClipSkip is the layer of CLIP's text encoder whose output counts, from the
	// end: 1 is the last one, 2 the one before; 0: the model's own.
	ClipSkip int

	// Seeds has one for each picture; none: one picture of a random seed. A picture
	// depends on its condition, its seed and the settings alone, not on the others.
	Seeds         []uint64
	Width, Height int // in pixels; 0: those of Start, of the condition's picture or about of a control's, else those of training

	// Start is a picture to begin with. Strength, above 0 and at most 1, is how much
	// of the way from noise is gone: the default is 0.75, and 1 with a mask.
	Start    image.Image
	Strength float64
	// Mask, of the size of Start, is white where a new picture is to be made, and
	// black where Start is kept as it is; greys blend. Any model can do it.
	Mask image.Image
	Fill Fill // what the white part begins with

	Steps    int              // 0: 50, or 4 for a consistency student
	Sampler  sampler.Method   // the zero value: DDIM, or LCM for a student; sampler.Parse finds the others by name
	Schedule sampler.Schedule // of the noise levels; the zero value: the sampler's own
	Eta      *float64         // share of fresh noise, from 0; nil: the sampler's default
	Guidance float64          // scale of classifier-free guidance; 1: none; 0: the model's default
	// PictureGuidance is the scale of the guidance by the picture, for models that
	// edit pictures; 0: 1.5. Rescale, 0 to 1, keeps guided pictures from being too
	// bright, and Interval is the share of the steps, such as 0.2 to 0.8, in which
	// there is guidance; zeros: in all.
	PictureGuidance, Rescale float64
	Interval                 [2]float64
	// Savings buy speed for pictures that are not quite what they would be.
	Savings Savings
	// Options is what the sampler reads beside Eta and Noise, which have their own
	// fields here; zeros mean its defaults.
	Options sampler.Options
	// Decorate, if set, is put around the guided denoiser: sampler.Thresholded, for one.
	Decorate func(sampler.Denoiser) sampler.Denoiser

	// Random is the kind of random numbers; the zero value: this program's own. Noise,
	// if set, takes its place, given the seeds.
	Random sampler.Source
	Noise  func(seeds []uint64) sampler.Noise

	// Controls tie the pictures to others' structure.
	Controls []Control

	// OnStep is told of every step done, on the goroutine of Generate.
	OnStep func(Step)
}

// Fill is what the part of a start that is made anew begins with.
type Fill uint8

// The fillings.
const (
	FillStart Fill = iota // the start as it is
	FillNoise             // noise in place of its latent
	FillZeros             // zeros in place of its latent
)

// Seeds are n seeds that count up from the first.
func Seeds(first uint64, n int) []uint64 {
	seeds := make([]uint64, max(n, 0))
	for i := range seeds {
		seeds[i] = first + uint64(i)
	}
	return seeds
}

// defaultStrength is that of a start without a mask.
const defaultStrength = 0.75

// resolve fills in the model's defaults, and refuses what cannot be done.
func (m *Model) resolve(r Request) (Request, error) {
	if len(r.Seeds) == 0 {
		r.Seeds = []uint64{uint64(rand.Uint32())}
	}
	r.Seeds = slices.Clone(r.Seeds)
	if err := m.resolveSize(&r); err != nil {
		return r, err
	}
	if err := m.resolveStart(&r); err != nil {
		return r, err
	}
	if r.Steps == 0 {
		r.Steps = m.defaults().Steps
	}
	if r.Sampler.Run == nil {
		r.Sampler = m.defaults().Sampler
	}
	switch {
	case r.Eta == nil:
		r.Eta = new(r.Sampler.Eta)
	case !(*r.Eta >= 0) || math.IsInf(*r.Eta, 0):
		return r, fault.Inputf("eta %g: want 0 or more, usually at most 1", *r.Eta)
	case !r.Sampler.UsesEta && *r.Eta != r.Sampler.Eta:
		return r, fault.Inputf("eta %g: sampler %s has no eta", *r.Eta, r.Sampler.Name)
	}
	switch o := r.Options; {
	case !(o.NoiseScale >= 0) || math.IsInf(o.NoiseScale, 0):
		return r, fault.Inputf("scale of the noise %g: want 0 or more", o.NoiseScale)
	case o.Eta != 0 || o.Noise != nil:
		return r, fault.Inputf("the options of the sampler name eta or noise, which are fields of the request")
	}
	if err := m.resolveClipSkip(&r); err != nil {
		return r, err
	}
	if err := m.resolveControls(&r); err != nil {
		return r, err
	}
	if err := m.resolveConditions(&r); err != nil {
		return r, err
	}
	return r, m.resolveSavings(&r)
}

// resolveConditions wants as many conditions as pictures, and a negative one where
// there is guidance.
func (m *Model) resolveConditions(r *Request) error {
	for _, c := range []Condition{r.Condition, r.Negative} {
		if e, ok := c.(Each); ok && len(e) != len(r.Seeds) {
			return fault.Inputf("%d conditions for %d pictures (seeds): want as many of both, or one for all", len(e), len(r.Seeds))
		}
	}
	if r.Condition == nil && m.tokenizer != nil {
		r.Condition = Prompt("")
	}
	if r.Condition != nil && m.net.Kind == model.NoCondition {
		return m.unfit("anything")
	}
	if r.Guidance == 0 {
		r.Guidance = m.defaults().Guidance
	}
	if err := m.resolveGuidance(r); err != nil {
		return err
	}
	if r.Guidance == 1 && !m.net.Edits() || r.Negative != nil || m.net.ToldGuidance() {
		return nil
	}
	switch {
	case m.tokenizer != nil:
		r.Negative = Prompt("")
	case m.net.TakesVectors() && r.Condition != nil:
		r.Negative = nothingLike(r.Condition)
	case m.net.Classes() > 0:
		r.Negative = Class(m.net.Classes() - 1)
	default:
		return fault.Unsupportedf("guidance %g: this model has no empty condition to lead away from; want 1, or a negative condition", r.Guidance)
	}
	return nil
}

// resolveGuidance checks how the guidance is done.
func (m *Model) resolveGuidance(r *Request) error {
	if r.PictureGuidance == 0 && m.net.Edits() {
		r.PictureGuidance = 1.5
	}
	from, to := r.Interval[0], r.Interval[1]
	switch {
	case !(r.Guidance > 0) || math.IsInf(r.Guidance, 0):
		return fault.Inputf("guidance %g: want more than 0; 1 is none", r.Guidance)
	case r.PictureGuidance != 0 && !m.net.Edits():
		return fault.Unsupportedf("guidance by the picture %g: this model does not edit pictures", r.PictureGuidance)
	case !(r.PictureGuidance >= 0) || math.IsInf(r.PictureGuidance, 0):
		return fault.Inputf("guidance by the picture %g: want more than 0", r.PictureGuidance)
	case !(r.Rescale >= 0 && r.Rescale <= 1):
		return fault.Inputf("rescaling of the guidance %g: want 0 to 1", r.Rescale)
	case r.Interval != [2]float64{} && !(from >= 0 && from < to && to <= 1):
		return fault.Inputf("interval of the guidance %g to %g: want two shares of the steps, from 0 to 1, the first one less", from, to)
	case m.net.ToldGuidance() && r.Negative != nil && r.Negative != Condition(Prompt("")):
		return fault.Unsupportedf("a negative condition: this model is told the guidance, and what it leads away from was fixed when it was distilled")
	case m.net.ToldGuidance() && (r.Rescale != 0 || r.Interval != [2]float64{}):
		return fault.Unsupportedf("rescaling of the guidance, or an interval of it: this model is told the guidance, which is no sum of outputs")
	case r.Guidance == 1 && r.Negative != nil && r.Negative != Condition(Prompt("")) && !m.net.Edits():
		return fault.Inputf("a negative condition without guidance has no effect: want a guidance other than 1")
	}
	return nil
}

// resolveSize settles width and height, which the U-Net's and the first stage's
// halvings must divide.
func (m *Model) resolveSize(r *Request) error {
	natural := m.naturalSize(r)
	if r.Width == 0 {
		r.Width = natural.X
	}
	if r.Height == 0 {
		r.Height = natural.Y
	}
	unit := m.stage.Factor() * m.net.UNet.Factor()
	if r.Width%unit != 0 || r.Height%unit != 0 || r.Width < unit || r.Height < unit {
		nearest := func(v int) int { return max((v+unit/2)/unit, 1) * unit }
		return fault.Inputf("pictures of %dx%d: width and height must be multiples of %d; the nearest is %dx%d",
			r.Width, r.Height, unit, nearest(r.Width), nearest(r.Height))
	}
	return nil
}

// naturalSize is the size of pictures where the request does not say it.
func (m *Model) naturalSize(r *Request) image.Point {
	first := r.Condition
	if e, ok := first.(Each); ok && len(e) > 0 {
		first = e[0]
	}
	if r.Start != nil {
		return r.Start.Bounds().Size()
	}
	switch c := first.(type) {
	case Masked:
		if c.Image != nil {
			return c.Image.Bounds().Size()
		}
	case Picture:
		if c.Image != nil {
			return m.pictureOf(c.Image.Bounds().Size())
		}
	}
	if len(r.Controls) > 0 && r.Controls[0].Image != nil {
		unit := m.stage.Factor() * m.net.UNet.Factor()
		legal := func(v int) int { return max((v+unit/2)/unit, 1) * unit }
		size := r.Controls[0].Image.Bounds().Size()
		return image.Pt(legal(size.X), legal(size.Y))
	}
	side := m.net.LatentSide() * m.stage.Factor()
	return image.Pt(side, side)
}

// pictureOf is the size of the picture that a condition's picture leads to.
func (m *Model) pictureOf(size image.Point) image.Point {
	unit := m.stage.Factor() * m.net.UNet.Factor()
	w, h := m.net.ConditionSize(unit, unit)
	return image.Pt(size.X*unit/max(w, 1), size.Y*unit/max(h, 1))
}

func checkSize(what string, img image.Image, width, height int) error {
	if size := img.Bounds().Size(); size != image.Pt(width, height) {
		return fault.Inputf("the %s has %dx%d pixels: want %dx%d", what, size.X, size.Y, width, height)
	}
	return nil
}

// resolveStart checks the picture to begin with, and its mask.
func (m *Model) resolveStart(r *Request) error {
	if r.Start == nil {
		switch {
		case r.Mask != nil:
			return fault.Inputf("a mask wants a start, the picture that is kept where it is black")
		case r.Fill != FillStart:
			return fault.Inputf("a filling wants a start with a mask")
		case r.Strength != 0:
			return fault.Inputf("strength %g wants a start, the picture to begin with", r.Strength)
		}
		return nil
	}
	if err := checkSize("start", r.Start, r.Width, r.Height); err != nil {
		return err
	}
	if r.Mask != nil {
		if err := checkSize("mask", r.Mask, r.Width, r.Height); err != nil {
			return err
		}
	}
	if r.Mask == nil && r.Fill != FillStart || r.Fill > FillZeros {
		return fault.Inputf("filling %d: want FillStart, or with a mask FillNoise or FillZeros", r.Fill)
	}
	if c := m.net.FirstStage.PictureChannels(); c != 3 {
		return fault.Unsupportedf("a start wants a first stage of pictures with 3 channels; this one has %d", c)
	}
	switch {
	case r.Strength == 0 && r.Mask != nil:
		r.Strength = 1
	case r.Strength == 0:
		r.Strength = defaultStrength
	}
	if !(r.Strength > 0 && r.Strength <= 1) {
		return fault.Inputf("strength %g: want more than 0, at most 1", r.Strength)
	}
	return nil
}
