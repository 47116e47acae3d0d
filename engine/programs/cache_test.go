package programs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// stub is an engine whose programs compute nothing and need as many bytes as their
// input has rows.
type stub struct {
	engine.Engine
	mu       sync.Mutex
	compiled []int
	closed   []int
}

type stubProgram struct {
	engine.Program
	of *stub
	in *tensor.Tensor
}

func (s *stub) Compile(g *graph.Graph, _ []graph.Value, _ engine.Weights, _ engine.Options) (engine.Program, error) {
	n := g.Nodes()[0].Out[0].Shape[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compiled = append(s.compiled, n)
	return &stubProgram{of: s, in: tensor.New(n)}, nil
}

func (p *stubProgram) Input(string) *tensor.Tensor { return p.in }
func (p *stubProgram) PeakBytes() int64            { return int64(p.in.Shape[0]) }
func (p *stubProgram) Close() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.of.closed = append(p.of.closed, p.in.Shape[0])
}

func rows(g *graph.Graph, n int) []graph.Value { return []graph.Value{g.Input("x", n)} }

func use(t *testing.T, c *Cache[int], n int) {
	t.Helper()
	err := c.Use(t.Context(), n, func(p engine.Program) error {
		if p.PeakBytes() != int64(n) {
			t.Errorf("the program of %d for %d", p.PeakBytes(), n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLimits: the least recently used programs are dropped beyond the number and the
// bytes, of all caches together.
func TestLimits(t *testing.T) {
	s := &stub{}
	pool := NewPool(Limits{Count: 3, Bytes: 100})
	a := NewCache(pool, s, nil, engine.Options{}, rows)
	b := NewCache(pool, s, nil, engine.Options{}, rows)
	use(t, a, 10)
	use(t, b, 20)
	use(t, a, 30)
	use(t, a, 10)
	use(t, b, 10) // one too many
	if !slices.Equal(s.compiled, []int{10, 20, 30, 10}) || !slices.Equal(s.closed, []int{20}) {
		t.Errorf("compiled %v, closed %v", s.compiled, s.closed)
	}
	use(t, a, 90) // too many bytes
	if !slices.Equal(s.closed, []int{20, 30, 10}) || pool.Bytes() != 100 || pool.Len() != 2 {
		t.Errorf("closed %v; %d programs of %d bytes stay", s.closed, pool.Len(), pool.Bytes())
	}
	use(t, a, 200) // alone
	if pool.Len() != 1 || pool.Bytes() != 200 {
		t.Errorf("%d programs of %d bytes stay", pool.Len(), pool.Bytes())
	}
	for _, n := range []int{50, 40} { // room is made at once, and kept for them
		if err := a.Prepare(t.Context(), n); err != nil || slices.Contains(s.closed, n) {
			t.Errorf("error %v; closed %v", err, s.closed)
		}
	}
	use(t, a, 50)
	use(t, a, 40)
	if pool.Len() != 2 || pool.Bytes() != 90 {
		t.Errorf("%d programs of %d bytes", pool.Len(), pool.Bytes())
	}
	pool.Close()
	if err := a.Prepare(t.Context(), 1); !errors.Is(err, ErrClosed) || len(s.closed) != len(s.compiled) || len(a.made)+len(b.made) != 0 {
		t.Errorf("error %v; %d of %d programs closed; %d entries", err, len(s.closed), len(s.compiled), len(a.made)+len(b.made))
	}
}

// forms are weights that take as many bytes as their programs' forms.
type forms struct {
	engine.Weights
	bytes int64
}

func (f *forms) Bytes() int64 { return f.bytes }

type formProgram struct {
	stubProgram
	w *forms
}

func (p *formProgram) PeakBytes() int64 { return 1 }
func (p *formProgram) Close()           { p.w.bytes -= p.stubProgram.PeakBytes() }

type formEngine struct{ stub }

func (e *formEngine) Compile(g *graph.Graph, y []graph.Value, w engine.Weights, opt engine.Options) (engine.Program, error) {
	p, _ := e.stub.Compile(g, y, w, opt)
	w.(*forms).bytes += p.PeakBytes()
	return &formProgram{*p.(*stubProgram), w.(*forms)}, nil
}

// TestForms: what weights take in more than one form counts, too.
func TestForms(t *testing.T) {
	w := &forms{}
	pool := NewPool(Limits{Bytes: 50})
	c := NewCache(pool, &formEngine{}, w, engine.Options{}, rows)
	for _, step := range []struct{ n, left, bytes int }{{100, 1, 100}, {30, 2, 130}, {40, 2, 70}, {90, 2, 130}} {
		if err := c.Prepare(t.Context(), step.n); err != nil {
			t.Fatal(err)
		}
		if pool.Len() != step.left || w.Bytes() != int64(step.bytes) {
			t.Errorf("after %d: %d programs, weights of %d bytes", step.n, pool.Len(), w.Bytes())
		}
	}
}

// TestLease: a program is one caller's at a time; who waits may be cancelled, and a
// pool waits for those in use before it closes them.
func TestLease(t *testing.T) {
	s := &stub{}
	pool := NewPool(Limits{Bytes: 10})
	c := NewCache(pool, s, nil, engine.Options{}, rows)
	began, end := make(chan struct{}), make(chan struct{})
	ended := make(chan error)
	go func() {
		ended <- c.Use(t.Context(), 8, func(engine.Program) error {
			close(began)
			<-end
			return errors.New("mine")
		})
	}()
	<-began
	ctx, cancel := context.WithCancel(t.Context())
	for _, n := range []int{8, 9} { // the same, and one for which there is no room
		go func() {
			ended <- c.Use(ctx, n, func(engine.Program) error { return errors.New("ran") })
		}()
	}
	cancel()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	}
	closed := make(chan struct{})
	go func() { pool.Close(); close(closed) }()
	for c.Prepare(t.Context(), 1) == nil {
	}
	select {
	case <-closed:
		t.Error("closed in use")
	default:
	}
	close(end)
	if err := <-ended; err == nil || err.Error() != "mine" {
		t.Errorf("error %v", err)
	}
	<-closed
	if !slices.Contains(s.closed, 8) {
		t.Error("not closed")
	}
}

// TestAlone: nothing runs or is kept beside what runs alone.
func TestAlone(t *testing.T) {
	s := &stub{}
	pool := NewPool(Limits{})
	defer pool.Close()
	c := NewCache(pool, s, nil, engine.Options{}, rows)
	use(t, c, 5)
	ctx, cancel := context.WithCancel(t.Context())
	err := pool.Alone(t.Context(), func() error {
		if pool.Len() != 0 {
			t.Error("a program is kept")
		}
		time.AfterFunc(time.Millisecond, cancel)
		if err := c.Use(ctx, 5, func(engine.Program) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("a program ran: error %v", err)
		}
		return pool.Alone(ctx, func() error { t.Error("two ran alone"); return nil })
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	use(t, c, 5)
}

// TestConcurrentUse: many callers of many shapes in little room.
func TestConcurrentUse(t *testing.T) {
	s := &stub{}
	pool := NewPool(Limits{Count: 3, Bytes: 12})
	c := NewCache(pool, s, nil, engine.Options{}, rows)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			for k := range 20 {
				n := (i+k)%6 + 1
				err := c.Use(t.Context(), n, func(p engine.Program) error {
					x := p.Input("x").F32
					x[0] = float32(i)
					if x[0] != float32(i) || len(x) != n {
						t.Errorf("another's program")
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	pool.Close()
	if len(s.closed) != len(s.compiled) || len(c.made) != 0 {
		t.Errorf("%d of %d programs closed, %d entries", len(s.closed), len(s.compiled), len(c.made))
	}
}

func TestParts(t *testing.T) {
	for _, c := range []struct {
		n, most int
		want    []int
	}{
		{9, 8, []int{5, 4}}, {8, 8, []int{8}}, {1, 8, []int{1}}, {17, 8, []int{6, 6, 5}}, {16, 8, []int{8, 8}},
		{3, 1, []int{1, 1, 1}}, {3, 0, []int{1, 1, 1}}, {0, 8, nil}, {-1, 8, nil},
	} {
		if got := Parts(c.n, c.most); !slices.Equal(got, c.want) {
			t.Errorf("%d by %d: %v, want %v", c.n, c.most, got, c.want)
		}
	}
}
