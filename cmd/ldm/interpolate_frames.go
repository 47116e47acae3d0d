package main

import (
	"context"
	"fmt"
	"image"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/metadata"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// noiseEnds are the seeds that a frame's noise lies between.
type noiseEnds struct {
	from, to uint64
	share    float64
}

// noise goes along the arc between the noises of two seeds.
func (f *wayFlags) noise(r ldm.Request, path sampler.Path, ends []noiseEnds, frames []uint64) sampler.Noise {
	from, to := make([]uint64, len(frames)), make([]uint64, len(frames))
	for i, k := range frames {
		from[i], to[i] = ends[k].from, ends[k].to
	}
	a, b := r.Sampler.Noise(r.Random, from, path), r.Sampler.Noise(r.Random, to, path)
	return func(dst *tensor.Tensor, s, t float64) {
		other := tensor.New(dst.Shape...)
		a(dst, s, t)
		b(other, s, t)
		for i, k := range frames {
			if from[i] != to[i] {
				sampler.Slerp(dst.Row(i).F32, dst.Row(i).F32, other.Row(i).F32, ends[k].share)
			}
		}
	}
}

// between is a condition on the way from one to another, along the arc between what
// the encoder says of each token.
type between struct {
	from, to ldm.Condition
	share    float64
}

// Encode implements ldm.Condition.
func (b between) Encode(ctx context.Context, m *ldm.Model, w, h int) (ldm.Encoding, error) {
	a, err := b.from.Encode(ctx, m, w, h)
	if err != nil || b.share == 0 || b.from == b.to {
		return a, err
	}
	c, err := b.to.Encode(ctx, m, w, h)
	if err != nil {
		return c, err
	}
	if a.Context == nil || c.Context == nil || !a.Context.Shape.Equal(c.Context.Shape) {
		return a, fault.Inputf("%q and %q have not as many tokens: the one has no place for each of the other's", b.from, b.to)
	}
	out := tensor.New(a.Context.Shape...)
	for i := range out.Shape[0] {
		sampler.Slerp(out.Row(i).F32, a.Context.Row(i).F32, c.Context.Row(i).F32, b.share)
	}
	return ldm.Encoding{Context: out}, nil
}

// wayNotes say how a way, or a frame of it, was made.
func (f *wayFlags) wayNotes(cmd *cobra.Command, r ldm.Request, seed uint64, frames string) ([]picture.Note, error) {
	if f.noMetadata {
		return nil, nil
	}
	r.Seeds = []uint64{seed}
	own := f.recipe(cmd, r, 0)
	delete(own.Flags, "n")
	f.prompt = strings.Join(f.prompts, "\n")
	text := f.parameters(cmd, r, 0, image.Pt(r.Width, r.Height))
	add := func(key, value string) { text.Fields = append(text.Fields, metadata.Field{Key: key, Value: value}) }
	add("Frames", frames)
	if len(f.seeds) > 0 {
		delete(own.Flags, "seed")
		add("Seeds", strings.Join(f.seeds, ", "))
	}
	return metadata.Notes(text, own)
}

// animate makes frames, a few at a time, and writes each or all as one that moves.
func (f *wayFlags) animate(cmd *cobra.Command, m *ldm.Model, r ldm.Request, seed uint64) error {
	show := newShow(cmd.Context(), f.preview, len(r.Seeds))
	defer show.Close()
	var frames []image.Image
	var made ldm.Request
	batch := f.atOnce(m, r)
	w, h := f.sizeOf(m, r)
	if most := 1 << 29; !f.names.pattern() && len(r.Seeds) > most/(w*h) {
		return fault.Inputf("%d frames of %dx%d are too many for one file: want a pattern, as frames/%%04d.png", len(r.Seeds), w, h)
	}
	for first := 0; first < len(r.Seeds); first += batch {
		part := slice(r, first, min(first+batch, len(r.Seeds)))
		part.OnStep = show.step(first, len(part.Seeds))
		out, err := m.Generate(cmd.Context(), part)
		if err != nil {
			return err
		}
		made = out.Request
		if !f.names.pattern() {
			frames = append(frames, out.Images...)
			continue
		}
		for i, img := range out.Images {
			path := f.names.path(first+i, seed)
			notes, err := f.wayNotes(cmd, out.Request, seed, fmt.Sprintf("%d of %d", first+i+1, len(r.Seeds)))
			if err != nil {
				return err
			}
			if err := picture.Save(path, img, picture.Options{Notes: notes}); err != nil {
				return err
			}
			if err := show.Print(f.names.tell(cmd), path); err != nil {
				return err
			}
		}
	}
	if f.names.pattern() {
		return nil
	}
	notes, err := f.wayNotes(cmd, made, seed, strconv.Itoa(len(frames)))
	if err != nil {
		return err
	}
	if err := picture.SaveAnimation(f.names.out, frames, f.perSecond, notes...); err != nil {
		return err
	}
	return show.Print(f.names.tell(cmd), fmt.Sprintf("%s (%d frames)", f.names.out, len(frames)))
}
