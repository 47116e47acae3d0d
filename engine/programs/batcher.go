package programs

import (
	"context"
	"sync"
	"time"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Batch is the shape of a batch: so many rows of a kind.
type Batch[K comparable] struct {
	Rows int
	Kind K
}

// Batcher lets callers share runs of a network. Each brings rows, such as the latents of
// its pictures with their timesteps and conditions; while a run goes on others wait, and
// the next takes as many of them as fit. What a row gives does not depend on its
// neighbours. Its methods may be called from any goroutine.
type Batcher[K comparable] struct {
	cache *Cache[Batch[K]]
	most  func(K) int

	mu     sync.Mutex
	queues map[K]*queue
}

// Rows are the inputs of some rows of a batch by name, each [N, ...].
type Rows map[string]*tensor.Tensor

// NewBatcher returns a batcher over a network's programs. Runs that several callers
// share have at most most(kind) rows for each device.
func NewBatcher[K comparable](cache *Cache[Batch[K]], most func(K) int) *Batcher[K] {
	all := func(k K) int { return most(k) * cache.devices }
	return &Batcher[K]{cache: cache, most: all, queues: map[K]*queue{}}
}

// queue is what waits for a run of one kind.
type queue struct {
	calls []*call
	// away are callers of the last run who have not come back; the next run waits a
	// little for them, as they do little in between.
	away    int
	linger  time.Duration
	arrived chan struct{} // a token for every change
}

// call is one caller's rows.
type call struct {
	ctx    context.Context
	rows   int
	in     Rows
	done   chan struct{}
	output []*tensor.Tensor
	err    error
}

// Run computes the network's first output [N, ...] for rows of a kind. Cancelled, it
// returns at once; a run that others share goes on for them.
func (b *Batcher[K]) Run(ctx context.Context, kind K, in Rows) (*tensor.Tensor, error) {
	y, err := b.RunAll(ctx, kind, in, 1)
	if err != nil {
		return nil, err
	}
	return y[0], nil
}

// RunAll is Run of the first outputs, so many of them.
func (b *Batcher[K]) RunAll(ctx context.Context, kind K, in Rows, outputs int) ([]*tensor.Tensor, error) {
	c := &call{ctx: ctx, in: Rows{}, done: make(chan struct{}), output: make([]*tensor.Tensor, outputs)}
	for name, t := range in {
		if len(t.Shape) == 0 || t.Shape[0] < 1 || c.rows > 0 && t.Shape[0] != c.rows {
			return nil, fault.Inputf("input %s is %v: want as many rows as the others, and at least one", name, t.Shape)
		}
		c.rows = t.Shape[0]
		c.in[name] = t.Clone() // the caller may be gone when they are used
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	q := b.queues[kind]
	if q == nil {
		q = &queue{arrived: make(chan struct{}, 1)}
		b.queues[kind] = q
		go b.serve(kind, q)
	}
	q.calls = append(q.calls, c)
	q.away = max(q.away-1, 0)
	b.mu.Unlock()
	q.wake()
	select {
	case <-c.done:
		return c.output, c.err
	case <-ctx.Done():
		q.wake()
		return nil, ctx.Err()
	}
}

func (q *queue) wake() {
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// serve runs what waits for a kind, until nothing does.
func (b *Batcher[K]) serve(kind K, q *queue) {
	for {
		calls := b.next(kind, q)
		if len(calls) == 0 {
			return
		}
		start := time.Now()
		b.run(kind, calls)
		b.mu.Lock()
		q.away = len(calls)
		q.linger = min(time.Since(start)/20, 20*time.Millisecond)
		b.mu.Unlock()
		for _, c := range calls {
			close(c.done)
		}
	}
}

// next takes the calls of the next run. It returns none once nothing waits and nobody
// is expected.
func (b *Batcher[K]) next(kind K, q *queue) []*call {
	b.mu.Lock()
	defer b.mu.Unlock()
	var timeout <-chan time.Time
	for {
		q.calls = waiting(q.calls)
		if len(q.calls) > 0 && (q.away == 0 || total(q.calls) >= b.most(kind)) {
			break
		}
		if timeout == nil {
			timeout = time.After(q.linger)
		}
		b.mu.Unlock()
		expired := false
		select {
		case <-q.arrived:
		case <-timeout:
			expired = true
		}
		b.mu.Lock()
		if expired {
			q.away = 0
			if q.calls = waiting(q.calls); len(q.calls) == 0 {
				delete(b.queues, kind)
				return nil
			}
		}
	}
	n, rows := 1, q.calls[0].rows
	for n < len(q.calls) && rows+q.calls[n].rows <= b.most(kind) {
		rows += q.calls[n].rows
		n++
	}
	taken := q.calls[:n:n]
	q.calls = q.calls[n:]
	return taken
}

// waiting leaves out calls that were cancelled.
func waiting(calls []*call) (out []*call) {
	for _, c := range calls {
		if c.ctx.Err() == nil {
			out = append(out, c)
		}
	}
	return out
}

func total(calls []*call) (rows int) {
	for _, c := range calls {
		rows += c.rows
	}
	return rows
}

// size is the number of rows of a run: of several calls' one that few programs are
// compiled for, a power of two or half as much again. The rows in addition are zeros.
func size(calls []*call, most int) int {
	rows := total(calls)
	if len(calls) == 1 {
		return rows
	}
	n := 1
	for n < rows {
		if half := n + n/2; half >= rows {
			n = half
			break
		}
		n *= 2
	}
	return min(n, max(most, rows))
}

// run computes some calls together. It ends early once all of them were cancelled.
func (b *Batcher[K]) run(kind K, calls []*call) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	left := len(calls)
	for _, c := range calls {
		stop := context.AfterFunc(c.ctx, func() {
			mu.Lock()
			defer mu.Unlock()
			if left--; left == 0 {
				cancel()
			}
		})
		defer stop()
	}
	shape := b.shape(kind, size(calls, b.most(kind)))
	err := b.cache.Use(ctx, shape, func(p engine.Program) error {
		if err := fillRows(p, calls, shape.Rows); err != nil {
			return err
		}
		if err := p.Run(ctx); err != nil {
			return err
		}
		takeRows(p.Output, calls, shape.Rows)
		return nil
	})
	if err != nil && ctx.Err() == nil && len(calls) > 1 { // the others are not to blame
		for i := range calls {
			b.run(kind, calls[i:i+1])
		}
		return
	}
	for _, c := range calls {
		c.err = err
	}
}

// shape is that of a batch of so many rows: each device takes as many as the others.
func (b *Batcher[K]) shape(kind K, rows int) Batch[K] {
	n := b.cache.devices
	return Batch[K]{(rows + n - 1) / n * n, kind}
}

// Prepare compiles the program that Run takes for so many rows of one caller.
func (b *Batcher[K]) Prepare(ctx context.Context, kind K, rows int) error {
	return b.cache.Prepare(ctx, b.shape(kind, rows))
}

// fillRows puts the rows of all calls one behind the other.
func fillRows(p engine.Program, calls []*call, rows int) error {
	for name := range calls[0].in {
		dst := p.Input(name)
		if dst == nil {
			continue
		}
		at := 0
		for _, c := range calls {
			t := c.in[name]
			if t == nil || !t.Shape[1:].Equal(dst.Shape[1:]) || (t.I32 == nil) != (dst.I32 == nil) {
				return fault.Inputf("input %s does not fit: want [n %v", name, dst.Shape[1:].String()[1:])
			}
			width := dst.Shape[1:].Size()
			copy(dst.F32[min(at*width, len(dst.F32)):], t.F32)
			copy(dst.I32[min(at*width, len(dst.I32)):], t.I32)
			at += c.rows
		}
		clear(dst.F32[min(at*dst.Shape[1:].Size(), len(dst.F32)):])
		clear(dst.I32[min(at*dst.Shape[1:].Size(), len(dst.I32)):])
	}
	return nil
}

// takeRows gives every call its rows of the outputs.
func takeRows(output func(int) *tensor.Tensor, calls []*call, rows int) {
	at := 0
	for _, c := range calls {
		for i := range c.output {
			y := output(i)
			c.output[i] = tensor.New(append(tensor.Shape{c.rows}, y.Shape[1:]...)...)
			copy(c.output[i].F32, y.F32[at*len(y.F32)/rows:])
		}
		at += c.rows
	}
}
