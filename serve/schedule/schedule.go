// Package schedule chooses which waiting jobs run next: fair between API keys,
// by priority within a key, oldest first, with jobs of one class together.
//
// Fairness is by virtual time: every key has a clock that advances by the work
// it was given (steps times pixels), and the key whose clock is furthest behind
// comes first. A key that was idle does not save its share up: its clock is
// set to that of the busiest keys' slowest when it comes back.
package schedule

import (
	"cmp"
	"slices"
	"time"

	"github.com/ldm-go/ldm/serve/job"
)

// Patience is how long a job of a model that is not loaded may be passed over
// by jobs of one that is.
const Patience = 30 * time.Second

// Scheduler keeps the clocks of the keys. It is used by one goroutine at a time.
type Scheduler struct {
	MaxRows int // pictures computed together; < 1: 1
	clocks  map[string]int64
	active  map[string]bool // keys that had waiting jobs when Next was last called
}

// Next chooses from the waiting jobs those that run together next; none if
// nothing waits. loaded tells whether a model is in memory. The jobs are not
// charged to their keys yet: see Charge.
func (s *Scheduler) Next(waiting []job.Job, loaded func(model string) bool, now time.Time) []job.Job {
	if len(waiting) == 0 {
		s.active = nil
		return nil
	}
	s.wake(waiting)
	order := s.order(waiting)
	head := order[0]
	if !loaded(head.Request.Model) && now.Sub(head.Created) < Patience {
		if i := slices.IndexFunc(order, func(j job.Job) bool { return loaded(j.Request.Model) }); i >= 0 {
			head = order[i]
		}
	}
	return s.join(head, order)
}

// Charge advances the clock of a job's key by the job's work, once it was claimed.
func (s *Scheduler) Charge(j job.Job) {
	if s.clocks == nil {
		s.clocks = map[string]int64{}
	}
	s.clocks[j.Key] += j.Request.Cost()
}

// Position is the place of a job in the order, from 1; 0 if it does not wait.
func (s *Scheduler) Position(waiting []job.Job, id string) int {
	return 1 + slices.IndexFunc(s.order(waiting), func(j job.Job) bool { return j.ID == id })
}

// wake sets the clocks of keys that have come back, and forgets those of keys
// without waiting jobs that are behind anyway.
func (s *Scheduler) wake(waiting []job.Job) {
	active := map[string]bool{}
	for _, j := range waiting {
		active[j.Key] = true
	}
	slowest, any := int64(0), false
	for key := range active {
		if c := s.clocks[key]; s.active[key] && (!any || c < slowest) {
			slowest, any = c, true
		}
	}
	if s.clocks == nil {
		s.clocks = map[string]int64{}
	}
	for key := range active {
		if any && !s.active[key] {
			s.clocks[key] = max(s.clocks[key], slowest)
		}
	}
	for key, c := range s.clocks {
		if any && !active[key] && c <= slowest {
			delete(s.clocks, key)
		}
	}
	s.active = active
}

// order lists the waiting jobs as they would run one by one: always the first
// job of the key whose clock, with what came before in the list, is lowest.
func (s *Scheduler) order(waiting []job.Job) []job.Job {
	byKey := map[string][]job.Job{}
	var keys []string
	for _, j := range waiting {
		if byKey[j.Key] == nil {
			keys = append(keys, j.Key)
		}
		byKey[j.Key] = append(byKey[j.Key], j)
	}
	clocks := map[string]int64{}
	for _, key := range keys {
		clocks[key] = s.clocks[key]
		slices.SortStableFunc(byKey[key], first)
	}
	order := make([]job.Job, 0, len(waiting))
	for len(order) < len(waiting) {
		next := ""
		found := false
		for _, key := range keys {
			if len(byKey[key]) == 0 {
				continue
			}
			if !found || before(clocks[key], byKey[key][0], clocks[next], byKey[next][0]) {
				next, found = key, true
			}
		}
		j := byKey[next][0]
		byKey[next] = byKey[next][1:]
		clocks[next] += j.Request.Cost()
		order = append(order, j)
	}
	return order
}

// before compares the first jobs of two keys.
func before(clock int64, j job.Job, other int64, k job.Job) bool {
	if clock != other {
		return clock < other
	}
	return j.Created.Before(k.Created)
}

// first orders the jobs of one key.
func first(a, b job.Job) int {
	return cmp.Or(b.Request.Priority.Rank()-a.Request.Priority.Rank(), a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
}

// join adds to head the jobs of its class for which there is room.
func (s *Scheduler) join(head job.Job, order []job.Job) []job.Job {
	batch := []job.Job{head}
	class, together := head.Request.Batch()
	rows := head.Request.N
	for _, j := range order {
		if !together || rows >= s.MaxRows {
			break
		}
		c, ok := j.Request.Batch()
		if j.ID == head.ID || !ok || c != class || rows+j.Request.N > s.MaxRows {
			continue
		}
		batch = append(batch, j)
		rows += j.Request.N
	}
	return batch
}
