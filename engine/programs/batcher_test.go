package programs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// denoiser is a small U-Net with cross-attention over a table of contexts.
func denoiser(g *graph.Graph, s Batch[int]) (nn.Builder, []graph.Value) {
	b := nn.NewBuilder(g)
	cfg := unet.Default()
	cfg.InChannels, cfg.OutChannels, cfg.ModelChannels, cfg.NumResBlocks = 4, 4, 64, 1
	cfg.ChannelMult, cfg.AttentionResolutions = []int{1, 2}, []int{2}
	cfg.UseSpatialTransformer, cfg.ContextDim, cfg.NumHeadChannels = true, 32, 32
	context := g.Reshape(g.Embedding(b.Param("table", nn.Uniform(32), 5, 32), g.IntInput("label", s.Rows)), s.Rows, 1, 32)
	x := g.Input("x", s.Rows, s.Kind, s.Kind, 4)
	return b, []graph.Value{cfg.Build(b, unet.Inputs{X: x, T: g.Input("t", s.Rows), Context: context})}
}

// drawn are the weights, with numbers where a layer begins at zero.
func drawn() engine.Vars {
	b, _ := denoiser(graph.New(), Batch[int]{1, 8})
	vars := nn.Initialize(b.Params(), 1)
	for i, p := range b.Params() {
		if x := vars[p.Name].F32; len(p.Shape) > 1 && x[0] == 0 {
			nn.Uniform(len(x)/p.Shape[0])(tensor.NewStream(7, uint64(i)), x)
		}
	}
	return vars
}

// counted counts programs by their rows, and runs.
type counted struct {
	engine.Engine
	mu   sync.Mutex
	rows map[int]int
	runs atomic.Int64
}

// countedRuns is a program whose runs are counted.
type countedRuns struct {
	engine.Program
	n *atomic.Int64
}

func (p countedRuns) Run(ctx context.Context) error {
	p.n.Add(1)
	return p.Program.Run(ctx)
}

func (e *counted) Compile(g *graph.Graph, outputs []graph.Value, w engine.Weights, opt engine.Options) (engine.Program, error) {
	e.mu.Lock()
	e.rows[outputs[0].Dim(0)]++
	e.mu.Unlock()
	p, err := e.Engine.Compile(g, outputs, w, opt)
	return countedRuns{p, &e.runs}, err
}

func newBatcher(t *testing.T, precision engine.Precision, most int) (*Batcher[int], *counted) {
	t.Helper()
	eng := &counted{Engine: cpu.New(cpu.Options{Threads: 2}), rows: map[int]int{}}
	w, err := eng.Load(drawn(), engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pool := NewPool(Limits{})
	cache := NewCache(pool, eng, w, engine.Options{Precision: precision}, func(g *graph.Graph, s Batch[int]) []graph.Value {
		_, y := denoiser(g, s)
		return y
	})
	t.Cleanup(func() { pool.Close(); w.Close() })
	return NewBatcher(cache, func(int) int { return most }), eng
}

// job is the input of a caller at a step.
func job(caller, step, rows, side int) Rows {
	x, t, label := tensor.New(rows, side, side, 4), tensor.New(rows), tensor.NewInt(rows)
	tensor.NewStream(1, uint64(caller), uint64(step)).Normal(x.F32)
	for i := range rows {
		t.F32[i], label.I32[i] = float32(999-37*step-caller)+.25, int32((caller+i)%5)
	}
	return Rows{"x": x, "t": t, "label": label}
}

// TestBatcher: callers at steps of their own share runs and get the bits of single ones.
func TestBatcher(t *testing.T) {
	const steps = 4
	rowsOf, sides := []int{1, 2, 1, 3}, []int{8, 8, 8, 16}
	for _, precision := range []engine.Precision{engine.F32, engine.BF16} {
		single, _ := newBatcher(t, precision, 1)
		want := map[string][]float32{}
		for caller, n := range rowsOf {
			for step := range steps {
				y, err := single.Run(t.Context(), sides[caller], job(caller, step, n, sides[caller]))
				if err != nil {
					t.Fatal(err)
				}
				want[fmt.Sprint(caller, step)] = y.F32
			}
		}
		shared, eng := newBatcher(t, precision, 6)
		var wg sync.WaitGroup
		for caller, n := range rowsOf {
			wg.Go(func() {
				for step := range steps {
					y, err := shared.Run(t.Context(), sides[caller], job(caller, step, n, sides[caller]))
					if err != nil {
						t.Error(err)
					} else if !slices.Equal(y.F32, want[fmt.Sprint(caller, step)]) || y.Shape[0] != n {
						t.Errorf("%s: caller %d, step %d: not the bits of a single run", precision, caller, step)
					}
				}
			})
		}
		wg.Wait()
		for n := range eng.rows {
			if !slices.Contains([]int{1, 2, 3, 4, 6}, n) {
				t.Errorf("a program of %d rows", n)
			}
		}
		t.Logf("%s: programs by rows: %v", precision, eng.rows)
	}
}

// TestBatcherAlone: a caller that is cancelled, or whose input is bad, does not disturb
// those that it shares a run with.
func TestBatcherAlone(t *testing.T) {
	b, _ := newBatcher(t, engine.F32, 8)
	want, err := b.Run(t.Context(), 8, job(1, 0, 1, 8))
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.Run(ctx, 8, job(0, 0, 2, 8)); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		wg.Go(func() {
			bad := job(0, 0, 1, 8)
			bad["label"].I32[0] = 5
			if _, err := b.Run(t.Context(), 8, bad); err == nil || !strings.Contains(err.Error(), "index 5") {
				t.Errorf("error %v", err)
			}
		})
		for range 3 {
			wg.Go(func() {
				if y, err := b.Run(t.Context(), 8, job(1, 0, 1, 8)); err != nil || !slices.Equal(y.F32, want.F32) {
					t.Errorf("error %v, or not the same bits", err)
				}
			})
		}
		cancel()
		wg.Wait()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Run(ctx, 8, job(0, 0, 1, 8)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for _, in := range []Rows{{"x": tensor.New(1, 8, 8, 4), "t": tensor.New(2)}, {"x": tensor.New()}, job(0, 0, 1, 4)} {
		if _, err := b.Run(t.Context(), 8, in); !errors.Is(err, fault.Input) {
			t.Errorf("error %v", err)
		}
	}
}

// TestBatcherDevices: two devices take a row each of callers that came while they were
// busy, and a row of one caller is filled up.
func TestBatcherDevices(t *testing.T) {
	b, eng := newBatcher(t, engine.F32, 1)
	var want [3]*tensor.Tensor
	for i := range want {
		var err error
		if want[i], err = b.Run(t.Context(), 8, job(i, 0, 1, 8)); err != nil {
			t.Fatal(err)
		}
	}
	b.cache.devices = 2
	eng.runs.Store(0)
	var wg sync.WaitGroup
	call := func(i int) {
		wg.Go(func() {
			if y, err := b.Run(t.Context(), 8, job(i, 0, 1, 8)); err != nil || !slices.Equal(y.F32, want[i].F32) {
				t.Errorf("caller %d: error %v, or not the same bits", i, err)
			}
		})
	}
	until := func(mu *sync.Mutex, ok func() bool) {
		for done := false; !done; time.Sleep(time.Millisecond) {
			mu.Lock()
			done = ok()
			mu.Unlock()
		}
	}
	err := b.cache.Use(t.Context(), Batch[int]{2, 8}, func(engine.Program) error { // busy
		call(0)
		until(&b.cache.pool.mu, func() bool { return b.cache.made[Batch[int]{2, 8}].users == 2 }) // it waits for the program
		call(1)
		call(2)
		until(&b.mu, func() bool { return len(b.queues[8].calls) == 2 })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if n := eng.runs.Load(); n != 2 || eng.rows[2] != 1 {
		t.Errorf("%d runs, programs by rows: %v; want two runs of one program of two rows", n, eng.rows)
	}
}

func TestSize(t *testing.T) {
	for rows, want := range map[int]int{2: 2, 3: 3, 4: 4, 5: 6, 6: 6, 7: 8, 9: 12, 13: 16, 15: 16} {
		if got := size([]*call{{rows: 1}, {rows: rows - 1}}, 16); got != want {
			t.Errorf("%d rows of several callers take %d, want %d", rows, got, want)
		}
	}
	if got := size([]*call{{rows: 5}}, 16); got != 5 {
		t.Errorf("5 rows of one caller take %d", got)
	}
	if got := size([]*call{{rows: 4}, {rows: 1}}, 5); got != 5 {
		t.Errorf("5 rows of at most 5 take %d", got)
	}
}
