package job

import (
	"fmt"
	"time"
)

// Claim makes a queued job a worker's.
func (j *Job) Claim(worker string, until, now time.Time) {
	j.Status, j.Worker, j.Lease, j.Started = Running, worker, until.UTC(), now.UTC()
	j.Attempts++
}

// Release gives a claimed job back to the queue; the attempt does not count.
func (j *Job) Release() {
	j.requeue()
	j.Attempts--
}

func (j *Job) requeue() {
	j.Status, j.Worker, j.Lease, j.Started, j.Images = Queued, "", time.Time{}, time.Time{}, nil
}

// Redo gives a job that had succeeded back to the queue, as its pictures are lost; one
// whose client has long had its answer is cancelled.
func (j *Job) Redo(now time.Time) {
	j.Finished = time.Time{}
	if j.requeue(); j.Attached != "" {
		j.Status, j.Finished = Cancelled, now
	}
}

// Lapsed tells whether nobody works for a job any more: its worker's lease has
// ended, or the server that its client waited at is gone.
func (j *Job) Lapsed(now time.Time, alive func(owner string) bool) bool {
	if j.Status.Final() {
		return false
	}
	return j.Status == Running && j.Lease.Before(now) || j.Attached != "" && !alive(j.Attached)
}

// Lapse puts a job that has lapsed back into the queue, or ends it: a job whose
// client is gone is cancelled, one that lost its worker MaxAttempts times fails.
func (j *Job) Lapse(now time.Time, alive func(owner string) bool) {
	switch {
	case j.Attached != "" && !alive(j.Attached):
		j.Status, j.Finished = Cancelled, now
	case j.Attempts >= MaxAttempts:
		j.Status, j.Finished = Failed, now
		j.Error = &Error{WorkerLost, fmt.Sprintf("given up after %d attempts: each time the worker that ran it died", j.Attempts)}
	default:
		j.requeue()
	}
}
