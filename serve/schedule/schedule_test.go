package schedule

import (
	"fmt"
	"testing"
	"time"

	"github.com/ldm-go/ldm/serve/job"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func waiting(id, key string, after int, change func(*job.Request)) job.Job {
	j := job.Job{ID: id, Key: key, Status: job.Queued, Created: start.Add(time.Duration(after) * time.Second),
		Request: job.Request{Type: job.TextToImage, Model: "a", N: 1, Width: 64, Height: 64, Steps: 10, CFGScale: 5, Priority: job.Normal}}
	if change != nil {
		change(&j.Request)
	}
	return j
}

func always(string) bool { return true }

func ids(jobs []job.Job) string {
	s := ""
	for _, j := range jobs {
		s += j.ID + " "
	}
	return s
}

// TestFairShares: a key with ten times the load gets no more than its half
// while the other has work, and a key that was idle has saved nothing up.
func TestFairShares(t *testing.T) {
	s := Scheduler{MaxRows: 1}
	var list []job.Job
	for i := range 100 {
		list = append(list, waiting(fmt.Sprint("big", i), "big", i, nil))
	}
	for i := range 10 {
		list = append(list, waiting(fmt.Sprint("small", i), "small", 200+i, nil))
	}
	served := map[string]int{}
	take := func() {
		next := s.Next(list, always, start)[0]
		s.Charge(next)
		served[next.Key]++
		for i, j := range list {
			if j.ID == next.ID {
				list = append(list[:i:i], list[i+1:]...)
				break
			}
		}
	}
	for range 20 {
		take()
	}
	if served["small"] != 10 || served["big"] != 10 {
		t.Errorf("after 20 of 110 jobs the shares are %v", served)
	}
	for range 40 {
		take()
	}
	for i := range 30 { // small comes back after an idle time
		list = append(list, waiting(fmt.Sprint("back", i), "small", 300+i, nil))
	}
	before := served["small"]
	for range 10 {
		take()
	}
	if got := served["small"] - before; got < 4 || got > 6 {
		t.Errorf("of 10 jobs the key that was idle got %d: want about 5", got)
	}
}

// TestPriorities count within a key alone.
func TestPriorities(t *testing.T) {
	s := Scheduler{MaxRows: 1}
	list := []job.Job{
		waiting("low", "k", 0, func(r *job.Request) { r.Priority = job.Low }),
		waiting("old", "k", 1, nil),
		waiting("new", "k", 2, nil),
		waiting("high", "k", 3, func(r *job.Request) { r.Priority = job.High }),
		waiting("other", "x", 4, func(r *job.Request) { r.Priority = job.Low }),
	}
	if got := ids(s.order(list)); got != "high other old new low " {
		t.Errorf("order %s", got)
	}
	if p := s.Position(list, "old"); p != 3 {
		t.Errorf("position %d", p)
	}
	if p := s.Position(list, "nothing"); p != 0 {
		t.Errorf("position of a job that does not wait: %d", p)
	}
}

// TestBatches: jobs of one class run together, whoever asked for them; another
// size, or work on a picture, does not join.
func TestBatches(t *testing.T) {
	s := Scheduler{MaxRows: 4}
	list := []job.Job{
		waiting("a", "k", 0, func(r *job.Request) { r.N = 2 }),
		waiting("wide", "k", 1, func(r *job.Request) { r.Width = 128 }),
		waiting("three", "k", 2, func(r *job.Request) { r.N = 3 }),
		waiting("b", "x", 3, func(r *job.Request) { r.Seed, r.CFGScale, r.Prompt = 7, 3, "other" }),
		waiting("picture", "k", 4, func(r *job.Request) { r.InitImage = "blob" }),
		waiting("unguided", "k", 5, func(r *job.Request) { r.CFGScale = 1 }),
		waiting("c", "k", 6, nil),
		waiting("d", "k", 7, nil),
	}
	if got := ids(s.Next(list, always, start)); got != "a b c " {
		t.Errorf("together: %s", got)
	}
}

// TestAffinity: jobs of the loaded model go first until the head has waited.
func TestAffinity(t *testing.T) {
	s := Scheduler{MaxRows: 1}
	list := []job.Job{
		waiting("other", "k", 0, func(r *job.Request) { r.Model = "b" }),
		waiting("loaded", "k", 1, nil),
	}
	isA := func(model string) bool { return model == "a" }
	if got := ids(s.Next(list, isA, start.Add(5*time.Second))); got != "loaded " {
		t.Errorf("first: %s", got)
	}
	if got := ids(s.Next(list, isA, start.Add(Patience))); got != "other " {
		t.Errorf("after %v: %s", Patience, got)
	}
	if s.Next(nil, isA, start) != nil {
		t.Error("a job where none waits")
	}
}
