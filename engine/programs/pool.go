// Package programs keeps compiled programs, and lets several callers share them.
//
// A Cache compiles one network for every shape it is asked for, all over the same
// weights; the caches of one Pool keep their programs within a common bound. A Batcher
// lets callers whose shapes are equal share a run. Parts cuts a batch that is too large.
package programs

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/ldm-go/ldm/engine"
)

// Limits bound the programs that are kept. Of what is not in use, the least recently
// used is dropped first.
type Limits struct {
	Count int // 0: 16
	// Bytes is the memory of all programs together, with what weights take because
	// programs want them in several forms; 0: 512 MiB. One program that needs more by
	// itself is then alone.
	Bytes int64
}

// Pool is what bounds the programs of one or several caches. Its methods may be called
// from any goroutine.
type Pool struct {
	limits Limits

	mu     sync.Mutex
	recent []*entry                 // with a program, the least recently used first
	once   map[engine.Weights]int64 // what the first program over them had them take
	change chan struct{}            // closed when a program is not in use any more
	alone  bool                     // while Alone runs
	closed bool
}

// entry is the place of one program.
type entry struct {
	lease chan struct{} // holds a token while nobody has it
	users int           // goroutines that have it or wait for it
	held  bool          // by one of them
	// active programs have been run, or are; the memory of others is not touched yet.
	active, running bool
	prog            engine.Program
	weights         engine.Weights // may be nil
	forget          func()         // takes it out of its cache
}

// ErrClosed is the error of programs that are closed.
var ErrClosed = errors.New("programs are closed")

// NewPool returns a pool.
func NewPool(l Limits) *Pool {
	if l.Count == 0 {
		l.Count = 16
	}
	if l.Bytes == 0 {
		l.Bytes = 512 << 20
	}
	return &Pool{limits: l, change: make(chan struct{}), once: map[engine.Weights]int64{}}
}

// use runs f with an entry's program, which compile makes where there is none. The entry
// must have been joined.
func (p *Pool) use(ctx context.Context, e *entry, compile func() (engine.Program, error), f func(engine.Program) error) (err error) {
	defer p.leave(e)
	select {
	case <-e.lease:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { e.lease <- struct{}{} }()
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	e.held = true
	p.mu.Unlock()
	defer p.release(e)
	if e.prog == nil {
		prog, err := compile()
		if err != nil {
			return err
		}
		p.mu.Lock()
		e.prog = prog
		p.recent = append(p.recent, e)
		if e.weights != nil && p.once[e.weights] == 0 {
			p.once[e.weights] = e.weights.Bytes()
		}
		p.makeRoom(e) // new forms of weights may be made from now on
		p.mu.Unlock()
	}
	if f == nil {
		return nil
	}
	if err := p.begin(ctx, e); err != nil {
		return err
	}
	return f(e.prog)
}

// begin makes room for a program and marks it as running. While others that run leave
// no room it waits: on one device programs run one after the other in any case.
func (p *Pool) begin(ctx context.Context, e *entry) error {
	return p.await(ctx, func() bool {
		if p.alone || !p.makeRoom(e) && p.busy() {
			return false
		}
		e.active, e.running = true, true
		i := slices.Index(p.recent, e)
		p.recent = append(slices.Delete(p.recent, i, i+1), e)
		return true
	})
}

// await returns once try, which it calls with the lock after every change, does
// something.
func (p *Pool) await(ctx context.Context, try func() bool) error {
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return ErrClosed
		}
		done, change := try(), p.change
		p.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// busy tells whether a program runs.
func (p *Pool) busy() bool {
	return slices.ContainsFunc(p.recent, func(o *entry) bool { return o.running })
}

// Alone runs f while no program of the pool runs or takes memory: for work that needs
// as much as it can have. f may use no cache of the pool.
func (p *Pool) Alone(ctx context.Context, f func() error) error {
	err := p.await(ctx, func() bool {
		if p.alone || p.busy() {
			return false
		}
		p.alone = true
		for _, e := range slices.Clone(p.recent) {
			if !e.held {
				p.drop(e)
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.alone = false
		p.changed()
	}()
	return f()
}

// makeRoom closes programs until e fits beside the others, and tells whether it does.
func (p *Pool) makeRoom(e *entry) bool {
	for {
		count, bytes := 1, e.prog.PeakBytes()
		for _, o := range p.recent {
			if o == e {
				continue
			}
			count++
			if o.active {
				bytes += o.prog.PeakBytes()
			}
		}
		for w := range p.once {
			bytes += p.excess(w)
		}
		tooLarge := bytes > p.limits.Bytes
		if !tooLarge && count <= p.limits.Count {
			return true
		}
		i := slices.IndexFunc(p.recent, func(o *entry) bool {
			return o != e && !o.held && (o.active || !tooLarge || p.excess(o.weights) > 0)
		})
		if i < 0 {
			return false
		}
		p.drop(p.recent[i])
	}
}

// excess is what weights take beyond what they took for the first program.
func (p *Pool) excess(w engine.Weights) int64 {
	if w == nil {
		return 0
	}
	return max(w.Bytes()-p.once[w], 0)
}

// drop closes a program that is not held.
func (p *Pool) drop(e *entry) {
	e.prog.Close()
	e.prog, e.active = nil, false
	if i := slices.Index(p.recent, e); i >= 0 {
		p.recent = slices.Delete(p.recent, i, i+1)
	}
	if e.users == 0 {
		e.forget()
	}
}

// release ends a lease.
func (p *Pool) release(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.held, e.running = false, false
	p.changed()
}

// changed wakes those who wait.
func (p *Pool) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

// leave ends a goroutine's interest in an entry.
func (p *Pool) leave(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.users--; e.users == 0 && e.prog == nil {
		e.forget()
	}
}

// Bytes is the planned memory of the programs that are kept.
func (p *Pool) Bytes() (total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.recent {
		total += e.prog.PeakBytes()
	}
	return total
}

// Len is the number of programs that are kept.
func (p *Pool) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.recent)
}

// Close closes all programs, after it has waited for those in use.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for {
		for _, e := range slices.Clone(p.recent) {
			if !e.held {
				p.drop(e)
			}
		}
		if len(p.recent) == 0 && !p.alone {
			return
		}
		change := p.change
		p.mu.Unlock()
		<-change
		p.mu.Lock()
	}
}
