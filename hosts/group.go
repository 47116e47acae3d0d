package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"
)

const (
	beating = time.Second
	silence = 8 * time.Second // after which a process counts as gone
)

// Group is this process's part of those that have met. Its calls are made by one
// goroutine, by all processes in the same order.
type Group struct {
	rank   int
	line   func(format string, args ...any)
	links  []*link // by rank; none for this process
	number uint64  // of the next call
	pieces [2][][]float32
	total  []float32
	own    []float32

	mu    sync.Mutex
	lost  *Lost
	gone  chan struct{} // closed with the first loss that is no proper end
	ended chan struct{} // closed by Close
	parts sync.WaitGroup
}

// Lost is the error of a group that a process has left.
type Lost struct {
	Rank    int
	Address string
	Left    bool // it said so
	Saved   bool // and that its work is saved
	Err     error
}

func (e *Lost) Error() string {
	if e.Left {
		return fmt.Sprintf("rank %d (%s) stopped: %v", e.Rank, e.Address, e.Err)
	}
	return fmt.Sprintf("rank %d (%s) is gone: %v", e.Rank, e.Address, e.Err)
}

func (e *Lost) Unwrap() error { return e.Err }

// Join connects this process to all others of the options, which it waits for.
func Join(ctx context.Context, o Options) (*Group, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	links, err := meet(ctx, o)
	if err != nil {
		return nil, err
	}
	g := &Group{rank: o.Rank, line: o.line, links: links, gone: make(chan struct{}), ended: make(chan struct{})}
	for _, l := range g.others() {
		g.parts.Add(1)
		go func() {
			defer g.parts.Done()
			g.lose(l, l.receive())
		}()
		go g.beat(l)
	}
	go g.listen()
	o.line("all %d processes are there", len(links))
	return g, nil
}

// Rank is this process's place, World the number of all.
func (g *Group) Rank() int { return g.rank }

// World is the number of processes.
func (g *Group) World() int { return len(g.links) }

func (g *Group) others() (list []*link) {
	for _, l := range g.links {
		if l != nil {
			list = append(list, l)
		}
	}
	return list
}

// beat sends signs of life, also while this process computes.
func (g *Group) beat(l *link) {
	for every := time.NewTicker(beating); ; {
		select {
		case <-g.ended:
			every.Stop()
			return
		case <-every.C:
			if l.send(kindBeat, 0, nil) != nil { // reading says why
				return
			}
		}
	}
}

// listen notices who has fallen silent.
func (g *Group) listen() {
	every := time.NewTicker(beating / 2)
	defer every.Stop()
	before := time.Now()
	for {
		select {
		case <-g.ended:
			return
		case now := <-every.C:
			stopped := now.Sub(before) > silence/2 // this process itself was, and has not read what came
			before = now
			for _, l := range g.others() {
				if quiet := now.Sub(time.Unix(0, l.heard.Load())); quiet > silence && !stopped {
					g.lose(l, fmt.Errorf("no sign of life for %s", silence))
				}
			}
		}
	}
}

// lose notes that a process is not there any more. The first that did not end properly
// breaks the group; of one that did, only what it is still needed for fails.
func (g *Group) lose(l *link, err error) *Lost {
	e := &Lost{Rank: l.rank, Address: l.address, Err: err}
	var left *leaving
	finished := false
	switch {
	case errors.As(err, &left):
		e.Left, e.Saved, finished = true, left.flags&flagSaved != 0, left.flags&flagFinished != 0
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		e.Err = errors.New("its connection ended")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	l.conn.Close()
	if l.lost != nil {
		return l.lost
	}
	l.lost = e
	close(l.gone)
	select {
	case <-g.ended:
		return e
	default:
	}
	if g.lost == nil && !finished {
		g.lost = e
		close(g.gone)
		g.line("%v", e)
	}
	return e
}

// Err is the *Lost of a group that a process has left, else nil.
func (g *Group) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost == nil {
		return nil
	}
	return g.lost
}

// Watch is a context that ends with the group: what computes under it stops when a
// process is lost, whose *Lost is its cause.
func (g *Group) Watch(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-g.gone:
			cancel(g.Err())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// Close leaves the group. The others are told why it ends, nil where nothing is left to
// do, and whether this process has saved what there was to save.
func (g *Group) Close(why error, saved bool) {
	g.mu.Lock()
	close(g.ended)
	g.mu.Unlock()
	body := []byte{flagFinished}
	if why != nil {
		text := why.Error()
		body = append([]byte{0}, text[:min(len(text), mostText-1)]...)
	}
	if saved {
		body[0] |= flagSaved
	}
	var told sync.WaitGroup
	for _, l := range g.others() {
		told.Add(1)
		go func() {
			defer told.Done()
			l.conn.SetWriteDeadline(time.Now().Add(time.Second))
			l.send(kindLeave, 0, body)
			l.conn.Close()
		}()
	}
	told.Wait()
	g.parts.Wait()
}

// wait waits for numbers that are expected.
func (g *Group) wait(ctx context.Context, list []*target) error {
	for _, t := range list {
		if err := g.until(ctx, t.from, t.done); err != nil {
			return err
		}
	}
	return nil
}

// until waits for what comes from a process. What has come counts, also where the group
// broke since.
func (g *Group) until(ctx context.Context, from *link, done <-chan struct{}) error {
	var err error
	select {
	case <-done:
		return nil
	case <-g.gone:
		err = g.Err()
	case <-from.gone:
		err = from.lost
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	select {
	case <-done:
		return nil
	default:
		return err
	}
}

// forget makes sure that nothing is written into arrays of the caller any more.
func (g *Group) forget() {
	for _, l := range g.others() {
		l.forget()
	}
}
