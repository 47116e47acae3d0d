package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
)

// Task is a job that a Runner runs.
type Task struct {
	Job    job.Job
	worker *Worker
	began  time.Time

	mu sync.Mutex // of Job.Images

	interrupted atomic.Bool
	skips       atomic.Int64
	told        atomic.Int64 // when progress was last sent, in milliseconds
	unseen      atomic.Int64 // from when on the next preview may be sent
	watched     atomic.Int64 // until when previews are wanted
}

// Blob returns a picture that came with the job.
func (t *Task) Blob(ctx context.Context, name string) ([]byte, error) {
	return t.worker.Blobs.Get(ctx, t.Job.ID, name)
}

// control hears what clients want.
func (t *Task) control(e bus.Event) {
	switch e.Kind {
	case bus.KindInterrupt:
		t.interrupted.Store(true)
	case bus.KindSkip:
		t.skips.Add(1)
	case bus.KindLook:
		t.watched.Store((time.Since(t.began) + lookFor).Milliseconds())
	}
}

// Interrupted tells whether to end with the pictures as far as they are.
func (t *Task) Interrupted() bool { return t.interrupted.Load() }

// Skips counts the wishes to end the picture in work as it is.
func (t *Task) Skips() int { return int(t.skips.Load()) }

// progressEvery is the least time between two reports, but for the last step's.
const progressEvery = 100 * time.Millisecond

// Rows is how many of the job's pictures are computed together.
func (t *Task) Rows() int {
	rows := min(t.Job.Request.N, max(t.worker.MaxRows, 1))
	if batch := t.Job.Request.Together; batch > 0 {
		rows = min(rows, batch)
	}
	return rows
}

// Step reports a step of some pictures that are computed together, from number first on.
func (t *Task) Step(step, steps, first, together int) {
	now := time.Since(t.began).Milliseconds()
	last := t.told.Load()
	if step < steps && now-last < progressEvery.Milliseconds() || !t.told.CompareAndSwap(last, now) && step < steps {
		return
	}
	p := bus.Progress{Step: step, Steps: steps, Image: first, Images: t.Job.Request.N, Together: together, Left: -1}
	if f := p.Fraction(); f > 0 {
		p.Left = time.Since(t.began).Seconds() * (1 - f) / f
	}
	t.worker.Bus.Send(t.Job.ID, bus.Event{Kind: bus.KindProgress, Progress: &p})
}

// lookFor is how long one look lasts.
const lookFor = 10 * time.Second

// WantsPreview tells whether to show what is predicted at a step: a client asked for
// that, and somebody looks. Previews of the whole size are counted by who waits for
// them, and are never left out.
func (t *Task) WantsPreview(step int) bool {
	r, now := t.Job.Request, time.Since(t.began).Milliseconds()
	if r.PreviewEvery == 0 || step%r.PreviewEvery != 0 {
		return false
	}
	return r.FullPreview || now < t.watched.Load() && now >= t.unseen.Load()
}

// Preview sends the picture that is predicted at a step.
func (t *Task) Preview(p bus.Preview) {
	t.unseen.Store((time.Since(t.began) + progressEvery).Milliseconds())
	t.worker.Bus.Send(t.Job.ID, bus.Event{Kind: bus.KindPreview, Preview: &p})
}

// Picture keeps a finished picture: its bytes are kept and the job knows of
// it when Picture returns. Index, seed, size, media type and infotext are given.
func (t *Task) Picture(ctx context.Context, img job.Image, data []byte) error {
	sum := sha256.Sum256(data)
	img.SHA256, img.Bytes = hex.EncodeToString(sum[:]), int64(len(data))
	w := t.worker
	err := w.patiently(ctx, t.Job.ID, func() error { return w.Blobs.Write(ctx, t.Job.ID, BlobName(img.Index), data) })
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Job.Images = append(t.Job.Images, img)
	if err := w.patiently(ctx, t.Job.ID, func() error { return w.Store.Save(ctx, t.Job) }); err != nil {
		return err
	}
	w.Bus.Send(t.Job.ID, bus.Event{Kind: bus.KindImage, Image: &img})
	return nil
}

// Made counts the pictures that are kept.
func (t *Task) Made() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.Job.Images)
}

// BlobName is the name of a job's picture among its blobs.
func BlobName(index int) string { return fmt.Sprintf("image-%d", index) }

// Whole tells whether all pictures of a job are there as they were made.
func Whole(ctx context.Context, b store.Blobs, j job.Job) bool {
	for _, img := range j.Images {
		data, err := b.Get(ctx, j.ID, BlobName(img.Index))
		if sum := sha256.Sum256(data); err != nil || hex.EncodeToString(sum[:]) != img.SHA256 {
			return false
		}
	}
	return true
}

// safely runs a task; a panic is an error of this job alone.
func (w *Worker) safely(ctx context.Context, t *Task) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.Log.Error("a job made the program panic", "job", t.Job.ID, "panic", p, "stack", string(debug.Stack()))
			err = errors.New("internal error")
		}
	}()
	return w.Runner.Run(ctx, t)
}

// end writes how a job ended.
func (w *Worker) end(ctx context.Context, t *Task, err error) {
	j := t.Job
	j.Finished = time.Now().UTC()
	j.Status = job.Succeeded
	if err != nil {
		j.Status, j.Error = job.Failed, failure(err)
		w.Log.Warn("a job failed", "job", j.ID, "error", err)
	}
	err = w.patiently(ctx, j.ID, func() error { return w.Store.Save(ctx, j) })
	if err != nil && !errors.Is(err, store.ErrTaken) {
		w.Log.Error("the end of a job cannot be stored", "job", j.ID, "error", err)
	}
}

// patiently does what needs room on a disk, again while the disk is full: work
// that was done is not lost for want of space that may be there soon.
func (w *Worker) patiently(ctx context.Context, id string, do func() error) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := do()
		if !errors.Is(err, store.ErrNoSpace) {
			return err
		}
		w.Log.Warn("no space to store what a job made, trying again", "job", id, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// failure is what a client is told of an error: the text of those that are
// about the request, and the kind of all others.
func failure(err error) *job.Error {
	switch {
	case errors.Is(err, errTimeout):
		return &job.Error{Code: job.Timeout, Message: err.Error()}
	case errors.Is(err, fault.Memory):
		return &job.Error{Code: job.OutOfMemory, Message: err.Error()}
	case errors.Is(err, fault.NaN):
		return &job.Error{Code: job.NaN, Message: "the model's prediction is not a number"}
	case errors.Is(err, fault.Input), errors.Is(err, fault.Unsupported):
		return &job.Error{Code: job.InvalidInput, Message: err.Error()}
	}
	return &job.Error{Code: job.InternalError, Message: "internal error; the server's log says more"}
}
