// Package par runs the phases of a program on a fixed set of workers.
//
// A phase is a number of independent tasks. Tasks are handed out in order to
// whichever worker is free, and a phase ends before the next begins. What a
// task computes may not depend on which worker runs it or on how many there
// are: that is what makes results the same bits for any number of threads.
package par

import (
	"runtime"
	"sync"
	"sync/atomic"
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
type Pool struct {
	workers int
	next    atomic.Int64
	phase   *Phase
	wake    []chan struct{}
	done    sync.WaitGroup
	failed  atomic.Pointer[failure]
}

type failure struct{ value any }

// NewPool starts a pool; workers < 1 means one for every processor.
func NewPool(workers int) *Pool {
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	p := &Pool{workers: workers}
	for w := 1; w < workers; w++ {
		wake := make(chan struct{}, 1)
		p.wake = append(p.wake, wake)
		go p.serve(w, wake)
	}
	return p
}

// Workers is the number of workers, the caller of Run among them.
func (p *Pool) Workers() int { return p.workers }

// Close ends the workers. The pool may not be used afterwards.
func (p *Pool) Close() {
	for _, wake := range p.wake {
		close(wake)
	}
	p.wake = nil
}

// Run runs the phases one after the other. It does not allocate. A panic in a
// task is raised again in the caller.
func (p *Pool) Run(phases []Phase) {
	for i := range phases {
		p.RunPhase(&phases[i])
	}
}

// RunPhase runs one phase to its end.
func (p *Pool) RunPhase(ph *Phase) {
	if ph.Tasks == 1 || p.workers == 1 {
		for t := range ph.Tasks {
			ph.Run(t, 0)
		}
		return
	}
	p.phase = ph
	p.next.Store(0)
	helpers := max(min(len(p.wake), ph.Tasks-1), 0)
	p.done.Add(helpers)
	for _, wake := range p.wake[:helpers] {
		wake <- struct{}{}
	}
	p.work(0)
	p.done.Wait()
	if f := p.failed.Swap(nil); f != nil {
		panic(f.value)
	}
}

func (p *Pool) serve(worker int, wake <-chan struct{}) {
	for range wake {
		p.work(worker)
		p.done.Done()
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
		ph.Run(t, worker)
	}
}
