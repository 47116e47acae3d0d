package main

import (
	"errors"
	"fmt"
	"image"
	"math"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/picture"
)

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
