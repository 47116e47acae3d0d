// Package par runs the phases of a program on a fixed set of workers.
//
// A phase is a number of independent tasks. Tasks are handed out in order to
// whichever worker is free, and a phase ends before the next begins. What a
// task computes may not depend on which worker runs it or on how many there
// are: that is what makes results the same bits for any number of threads.
package par

import (
	"context"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

// Phase is a set of tasks that may run at the same time.
type Phase struct {
	Name  string                 // for profiles and messages
	Tasks int                    // calls of Run, with task = 0 … Tasks-1
	Run   func(task, worker int) // worker < Pool.Workers(), for scratch memory
}

// Serial returns a phase with one task.
func Serial(name string, run func()) Phase {
	return Phase{Name: name, Tasks: 1, Run: func(int, int) { run() }}
}

// Pool is a fixed set of workers. Its methods may be called by one goroutine at a time.
//
// A worker that finds nothing to do looks on for a while before it goes to sleep: a
// program's phases follow one another within microseconds, and waking a processor
// takes longer than many of them last.
type Pool struct {
	workers int
	patient bool         // there is a processor for every worker
	next    atomic.Int64 // task
	phase   *Phase
	round   atomic.Uint64 // number of the phase, and of the helpers that take part, helperBits
	busy    atomic.Int64  // helpers at work
	helpers []*sleeper
	caller  sleeper
	closed  atomic.Bool
	context context.Context // of the run; may be nil
	failed  atomic.Pointer[failure]
}

type failure struct{ value any }

const (
	helperBits = 16
	longest    = 200 * time.Microsecond // that a waiting worker looks on
	shortest   = longest / 64
)

// sleeper is a goroutine that waits.
type sleeper struct {
	patience time.Duration
	asleep   atomic.Bool
	wake     chan struct{}
}

func newSleeper() sleeper { return sleeper{patience: longest, wake: make(chan struct{}, 1)} }

// await returns once ready does: after looking on for a while, if patient, it sleeps until
// rouse is called. Whoever makes it ready does so before. It loses patience where that
// is in vain, as it is while other processes want the processors.
func (s *sleeper) await(patient bool, ready func() bool) {
	if patient {
		for start := time.Now(); time.Since(start) < s.patience; {
			for range 64 {
				if ready() {
					s.patience = min(2*s.patience, longest)
					return
				}
			}
		}
		s.patience = max(s.patience/2, shortest)
	}
	for !ready() {
		s.asleep.Store(true)
		if ready() && s.asleep.CompareAndSwap(true, false) {
			return
		}
		<-s.wake
	}
}

// rouse wakes it if it sleeps.
func (s *sleeper) rouse() {
	if s.asleep.CompareAndSwap(true, false) {
		s.wake <- struct{}{}
	}
}

// Processors is the number of workers where none is asked for: one for every processor
// that the system lets this process use, or GOMAXPROCS where that is set.
func Processors() int {
	n := runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") != "" || runtime.GOOS != "linux" {
		return n
	}
	return processors(n, quotaOf(os.DirFS("/")))
}

// NewPool starts a pool; workers < 1 means Processors.
func NewPool(workers int) *Pool {
	if workers < 1 {
		workers = Processors()
	}
	p := &Pool{workers: workers, patient: workers <= runtime.GOMAXPROCS(0), caller: newSleeper()}
	for w := 1; w < workers; w++ {
		s := newSleeper()
		p.helpers = append(p.helpers, &s)
		go p.serve(w, &s)
	}
	return p
}

// Workers is the number of workers, the caller of Run among them.
func (p *Pool) Workers() int { return p.workers }

// Close ends the workers. The pool may not be used afterwards.
func (p *Pool) Close() {
	p.closed.Store(true)
	for _, h := range p.helpers {
		h.rouse()
	}
	p.helpers = nil
}

// Run runs the phases one after the other. It does not allocate. A panic in a
// task is raised again in the caller.
func (p *Pool) Run(phases []Phase) {
	for i := range phases {
		p.runPhase(&phases[i])
	}
}

// RunUntil is Run, but once ctx is cancelled no further task is begun; it then returns
// ctx's error.
func (p *Pool) RunUntil(ctx context.Context, phases []Phase) error {
	p.context = ctx
	defer p.endUntil()
	for i := range phases {
		if err := ctx.Err(); err != nil {
			return err
		}
		p.runPhase(&phases[i])
	}
	return ctx.Err()
}

func (p *Pool) endUntil() { p.context = nil }

// cancelled tells whether the tasks that are left are not wanted any more.
func (p *Pool) cancelled() bool { return p.context != nil && p.context.Err() != nil }

// runPhase runs one phase to its end.
func (p *Pool) runPhase(ph *Phase) {
	if ph.Tasks == 1 || p.workers == 1 {
		for t := 0; t < ph.Tasks && !p.cancelled(); t++ {
			ph.Run(t, 0)
		}
		return
	}
	helpers := max(min(len(p.helpers), ph.Tasks-1), 0)
	p.phase = ph
	p.next.Store(0)
	p.busy.Store(int64(helpers))
	p.round.Store((p.round.Load()>>helperBits+1)<<helperBits | uint64(helpers))
	for _, h := range p.helpers[:helpers] {
		h.rouse()
	}
	p.work(0)
	p.caller.await(p.patient, p.idle)
	p.phase = nil // or the idle pool would keep the memory of a program that is closed
	if f := p.failed.Swap(nil); f != nil {
		panic(f.value)
	}
}

func (p *Pool) idle() bool { return p.busy.Load() == 0 }

// serve works on every phase that wants a worker.
func (p *Pool) serve(worker int, s *sleeper) {
	var seen, round uint64
	for {
		s.await(p.patient, func() bool {
			round = p.round.Load()
			return round != seen || p.closed.Load()
		})
		if p.closed.Load() {
			return
		}
		if seen = round; worker > int(round&(1<<helperBits-1)) {
			continue
		}
		p.work(worker)
		if p.busy.Add(-1) == 0 {
			p.caller.rouse()
		}
	}
}

func (p *Pool) work(worker int) {
	defer func() {
		if v := recover(); v != nil {
			p.next.Store(int64(p.phase.Tasks))
			p.failed.CompareAndSwap(nil, &failure{v})
		}
	}()
	ph := p.phase
	for {
		t := int(p.next.Add(1)) - 1
		if t >= ph.Tasks {
			return
		}
		if worker == 0 && p.cancelled() {
			p.next.Store(int64(ph.Tasks))
			return
		}
		ph.Run(t, worker)
	}
}
