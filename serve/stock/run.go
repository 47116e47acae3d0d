package stock

import (
	"bytes"
	"context"
	"image"
	"image/png"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/worker"
)

// Run implements worker.Runner: one picture after the other, so that each is kept
// as soon as it is there. Pictures of jobs that run side by side are computed
// together inside the model.
func (s *Stock) Run(ctx context.Context, t *worker.Task) error {
	k := s.find(t.Job.Request.Model)
	if k == nil {
		return fault.Inputf("there is no model %q", t.Job.Request.Model)
	}
	m, release, err := s.use(k)
	if err != nil {
		return err
	}
	defer release()
	r, err := s.request(ctx, m, t)
	if err != nil {
		return err
	}
	if m.Network().TextLength() > 0 {
		t.Job.Warnings = append(t.Job.Warnings, m.Remarks(t.Job.Request.Prompt)...)
	}
	for i := range t.Job.Request.N {
		r.Seeds = []uint64{uint64(t.Job.Request.Seed) + uint64(i)}
		img, err := s.one(ctx, m, t, r.Request, i)
		if err != nil {
			return err
		}
		if r.after != nil {
			img = r.after(img)
		}
		if err := s.keep(ctx, k, t, i, img); err != nil {
			return err
		}
		if t.Interrupted() {
			return nil
		}
	}
	return nil
}

// one makes a picture; told to stop, it is the picture as far as it is.
func (s *Stock) one(ctx context.Context, m *ldm.Model, t *worker.Task, r ldm.Request, i int) (image.Image, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	skips := t.Skips()
	var unfinished image.Image
	var failed error
	r.OnStep = func(step ldm.Step) {
		t.Step(step.Done, step.Total, i, t.Job.Request.N)
		switch {
		case step.Done == step.Total:
		case t.Interrupted() || t.Skips() > skips:
			var images []image.Image
			if images, failed = step.Decode(ctx); failed == nil {
				unfinished = images[0]
			}
			stop()
		case t.Job.Request.PreviewEvery > 0 && step.Done%t.Job.Request.PreviewEvery == 0:
			failed = s.preview(ctx, t, step, i)
			if failed != nil {
				stop()
			}
		}
	}
	out, err := m.Generate(ctx, r)
	switch {
	case unfinished != nil:
		return unfinished, nil
	case failed != nil:
		return nil, failed
	case err != nil:
		return nil, err
	}
	return out.Images[0], nil
}

// preview sends what is predicted, small unless the whole size was asked for.
func (s *Stock) preview(ctx context.Context, t *worker.Task, step ldm.Step, i int) error {
	show := step.Preview
	if t.Job.Request.FullPreview {
		show = step.Decode
	}
	images, err := show(ctx)
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, images[0]); err != nil {
		return err
	}
	t.Preview(bus.Preview{Image: i, Step: step.Done, Media: "image/png", Data: buf.Bytes()})
	return nil
}

// keep encodes a picture with its settings and hands it to the task.
func (s *Stock) keep(ctx context.Context, k *kind, t *worker.Task, i int, img image.Image) error {
	r := t.Job.Request
	p := settings(k.Model, r, r.Seed+int64(i), s.opt.Version)
	var notes []picture.Note
	if s.opt.Text {
		var err error
		if notes, err = notesOf(p, k.Model, r, r.Seed+int64(i), s.opt.Version); err != nil {
			return err
		}
	}
	data, err := picture.Encode(img, formats[r.OutputFormat], picture.Options{Quality: max(r.Compression, 1), Notes: notes})
	if err != nil {
		return err
	}
	b := img.Bounds()
	return t.Picture(ctx, job.Image{
		Index: i, Seed: r.Seed + int64(i), Width: b.Dx(), Height: b.Dy(), Media: "image/" + r.OutputFormat, Infotext: p.String(),
	}, data)
}
