package stock

import (
	"context"
	"image"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/worker"
)

// Run implements worker.Runner. Pictures of a job are computed together, as many as
// the worker allows, and so are those of jobs that run side by side, inside the model.
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
	remarks, done, err := s.adapt(ctx, k, m, t.Job.Request)
	if err != nil {
		return err
	}
	defer done()
	t.Job.Warnings = append(t.Job.Warnings, remarks...)
	r, err := s.request(ctx, m, t)
	if err != nil {
		return err
	}
	controls, unhold, err := s.controls(ctx, k, m, t)
	if err != nil {
		return err
	}
	defer unhold()
	r.Controls = controls
	if m.Network().TextLength() > 0 {
		t.Job.Warnings = append(t.Job.Warnings, m.Remarks(plain(t.Job.Request.Prompt))...)
	}
	n, rows := t.Job.Request.N, t.Rows()
	for first := 0; first < n && !(first > 0 && t.Interrupted()); first += rows {
		r.Seeds = ldm.Seeds(uint64(t.Job.Request.Seed)+uint64(first), min(rows, n-first))
		images, err := s.some(ctx, m, t, r.Request, first)
		if err != nil {
			return err
		}
		for i, img := range images {
			if r.after != nil {
				img = r.after(img)
			}
			if err := s.keep(ctx, k, t, first+i, img); err != nil {
				return err
			}
		}
	}
	return nil
}

// some makes pictures together; told to stop, they are as far as they are.
func (s *Stock) some(ctx context.Context, m *ldm.Model, t *worker.Task, r ldm.Request, first int) ([]image.Image, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	skips := t.Skips()
	var parts []ldm.Step // where those are that go through the model together
	var unfinished []image.Image
	var failed error
	r.OnStep = func(step ldm.Step) {
		t.Step(step.Done, step.Total, first, len(r.Seeds))
		if n := len(parts); n == 0 || parts[n-1].First != step.First {
			parts = append(parts, step)
		}
		now := &parts[len(parts)-1]
		*now = step
		now.X0 = step.X0.Clone() // the sampler goes on with its own
		switch {
		case step.Done == step.Total:
		case t.Interrupted() || t.Skips() > skips:
			for _, part := range parts {
				var images []image.Image
				if images, failed = part.Decode(ctx); failed != nil {
					break
				}
				unfinished = append(unfinished, images...)
			}
			stop()
		case t.WantsPreview(step.Done):
			if failed = s.preview(ctx, t, step, first); failed != nil {
				stop()
			}
		}
	}
	out, err := m.Generate(ctx, r)
	switch {
	case failed != nil:
		return nil, failed
	case unfinished != nil:
		return unfinished, nil
	case err != nil:
		return nil, err
	}
	return out.Images, nil
}

// preview sends what is predicted, small unless the whole size was asked for.
func (s *Stock) preview(ctx context.Context, t *worker.Task, step ldm.Step, first int) error {
	show := step.Preview
	if t.Job.Request.FullPreview {
		show = step.Decode
	}
	images, err := show(ctx)
	if err != nil {
		return err
	}
	format := "png"
	if t.Job.Request.FullPreview {
		format = t.Job.Request.OutputFormat
	}
	for i, img := range images {
		data, err := picture.Encode(img, formats[format], picture.Options{Quality: max(t.Job.Request.Compression, 1)})
		if err != nil {
			return err
		}
		t.Preview(bus.Preview{Image: first + step.First + i, Step: step.Done, Whole: t.Job.Request.FullPreview, Media: "image/" + format, Data: data})
	}
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
