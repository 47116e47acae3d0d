package ldm

import (
	"context"
	"fmt"
	"image"
	"slices"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// Condition is what a picture should show: a Prompt, a Class or a ClassName, a
// Picture, a Masked picture or a Layout; nil is no condition. Others can be made
// outside this package.
type Condition interface {
	// Encode turns the condition of one picture of the given size in pixels into
	// what the model's denoiser sees. A condition that is not of the model's kind is
	// an ErrUnsupported.
	Encode(ctx context.Context, m *Model, width, height int) (Encoding, error)
}

// Encoding is a condition of one picture as a denoiser sees it. What the model
// has no use for is nil.
type Encoding struct {
	Context *tensor.Tensor // [L, D], for the cross-attention
	Joined  *tensor.Tensor // [h, w, C], joined to the channels of the latent
	Label   *tensor.Tensor // int32 [1], added to the time embedding

	Guidance float64 // the scale, for models that are told it (Network.ToldGuidance)
}

// Each is a condition for each picture of a request, in their order.
type Each []Condition

// Encode refuses: a request takes a list apart.
func (e Each) Encode(context.Context, *Model, int, int) (Encoding, error) {
	return Encoding{}, fault.Inputf("a list of conditions stands where one is wanted")
}

// Prompt is a text. For models with CLIP's text encoder it is in the language of
// package prompt: (word:1.2), [word], BREAK, and in a request AND, [from:to:when] and
// [a|b]; any length is read. For others brackets are text.
type Prompt string

// Encode runs the text encoder.
func (p Prompt) Encode(ctx context.Context, m *Model, _, _ int) (Encoding, error) {
	if m.net.TakesVectors() {
		return m.encodeRetrieved(ctx, string(p))
	}
	if m.tokenizer == nil {
		return Encoding{}, m.unfit("a text")
	}
	y, err := m.encodeText(ctx, string(p), 0)
	return Encoding{Context: y}, err
}

// Class is a class by its number, from 0.
type Class int

// Encode looks the class's vector up.
func (c Class) Encode(ctx context.Context, m *Model, _, _ int) (Encoding, error) {
	n := m.net.Classes()
	switch {
	case n == 0:
		return Encoding{}, m.unfit("a class")
	case c < 0 || int(c) >= n:
		return Encoding{}, fault.Inputf("class %d: want 0 to %d", c, n-1)
	}
	label := tensor.NewInt(1)
	label.I32[0] = int32(c)
	if m.net.Key == model.KeyADM {
		return Encoding{Label: label}, nil
	}
	y, err := m.encodeIDs(ctx, "labels", label, 0)
	if err != nil {
		return Encoding{}, err
	}
	return Encoding{Context: y.Row(0)}, nil
}

// ClassName is a class by the name that the model's file gives it; Model.Classes
// lists them.
type ClassName string

// Encode looks the class's vector up.
func (c ClassName) Encode(ctx context.Context, m *Model, w, h int) (Encoding, error) {
	i := slices.Index(m.Classes(), string(c))
	switch {
	case m.net.Classes() == 0:
		return Encoding{}, m.unfit("a class")
	case len(m.Classes()) == 0:
		return Encoding{}, fault.Unsupportedf("class %q: this model's file names no classes; want a number from 0 to %d", string(c), m.net.Classes()-1)
	case i < 0:
		return Encoding{}, fault.Inputf("class %q: want one of %s", string(c), some(m.Classes()))
	}
	return Class(i).Encode(ctx, m, w, h)
}

// some lists the first names.
func some(names []string) string {
	const most = 20
	if n := len(names) - most; n > 0 {
		return fmt.Sprintf("%q and %d more", names[:most], n)
	}
	return fmt.Sprintf("%q", names)
}

// Picture is a picture that the model's kind of task begins with. For
// super-resolution it is the small one, as large as the latent; for semantic
// synthesis it is a map of labels, of the size of the picture to make, whose
// palette's indices (or levels of grey) are the labels; for a model that edits, it
// is the picture that the prompt says how to change.
type Picture struct {
	Image  image.Image
	Prompt string // for models that take a text too
}

// Encode runs the model's conditioner on the picture.
func (p Picture) Encode(ctx context.Context, m *Model, width, height int) (Encoding, error) {
	if !m.net.TakesPictures() {
		return Encoding{}, m.unfit("a picture")
	}
	if p.Image == nil {
		return Encoding{}, fault.Inputf("the picture of the condition is missing")
	}
	w, h := m.net.ConditionSize(width, height)
	if size := p.Image.Bounds().Size(); size != image.Pt(w, h) {
		return Encoding{}, fault.Inputf("the condition's picture has %dx%d pixels: want %dx%d for pictures of %dx%d", size.X, size.Y, w, h, width, height)
	}
	var x *tensor.Tensor
	var err error
	switch c := m.net.PictureChannels(); c {
	case 3:
		x = picture.Tensor(p.Image)
	case 1:
		x = greys(p.Image)
	default:
		if x, err = oneHot(p.Image, c); err != nil {
			return Encoding{}, err
		}
	}
	y, err := m.encodePicture(ctx, x)
	if err != nil {
		return Encoding{}, err
	}
	return m.withText(ctx, p.Prompt, y.Row(0))
}

// withText joins a text, for the models that take one too, to what is joined to
// the latent.
func (m *Model) withText(ctx context.Context, prompt string, joined *tensor.Tensor) (Encoding, error) {
	e := Encoding{}
	switch {
	case m.net.Key == model.KeyHybrid:
		var err error
		if e, err = Prompt(prompt).Encode(ctx, m, 0, 0); err != nil {
			return e, err
		}
	case prompt != "":
		return e, fault.Unsupportedf("the prompt %q: this model is conditioned on %s alone", prompt, m.takes())
	}
	e.Joined = joined
	return e, nil
}

// Masked is a picture of which the white part of a mask is to be made anew by a
// model that was trained for it. Its black part comes back as it was.
type Masked struct {
	Image  image.Image
	Mask   image.Image // of the same size; greys blend
	Prompt string      // for models that take a text too
}

// Encode runs the first stage on the picture with a hole.
func (k Masked) Encode(ctx context.Context, m *Model, width, height int) (Encoding, error) {
	if !m.net.Inpaints() {
		return Encoding{}, m.unfit("a masked picture")
	}
	if k.Image == nil || k.Mask == nil {
		return Encoding{}, fault.Inputf("the picture or the mask of the condition is missing")
	}
	if err := checkSize("picture", k.Image, width, height); err != nil {
		return Encoding{}, err
	}
	if err := checkSize("mask", k.Mask, width, height); err != nil {
		return Encoding{}, err
	}
	y, err := m.encodeMasked(ctx, picture.Tensor(k.Image), greys(k.Mask))
	if err != nil {
		return Encoding{}, err
	}
	return m.withText(ctx, k.Prompt, y.Row(0))
}

// unfit is the error for a condition of another kind than the model's.
func (m *Model) unfit(what string) error {
	return fault.Unsupportedf("this model is conditioned on %s, not on %s", m.takes(), what)
}

// takes names the conditions that the model takes.
func (m *Model) takes() string {
	switch {
	case m.net.Kind == model.NoCondition:
		return "nothing"
	case m.net.Inpaints():
		return "masked pictures (Masked)"
	case m.net.Edits():
		return "pictures and how to change them (Picture)"
	case m.net.TakesPictures():
		return "pictures (Picture)"
	case m.net.Classes() > 0:
		return "classes (Class)"
	case m.net.TakesVectors():
		return "vectors (Vectors, or Prompt after SetRetrieval)"
	case m.net.LayoutTokens():
		return "layouts (Layout)"
	case m.net.TextLength() > 0:
		return "texts (Prompt)"
	}
	return m.net.Kind.String()
}
