package ldm

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/engine/programs"
	"github.com/ldm-go/ldm/graph"
)

// TestConcurrent: requests that run at the same time give the bits of single ones,
// whatever their sizes, in little room for programs, and though another is cancelled.
func TestConcurrent(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of computing")
	}
	net := tinyNetwork(t)
	eng := cpu.New(cpu.Options{})
	w, err := eng.Load(tinyWeights(t, net), engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	m := New(net, tinyTarget(t), nil, w, Options{Engine: eng, Keep: programs.Limits{Count: 3}})
	defer m.Close()
	requests := []Request{
		{Condition: Class(1), Seeds: []uint64{5}, Steps: 3, Guidance: 1.5},
		{Condition: Class(2), Seeds: []uint64{6}, Steps: 4, Guidance: 1},
		{Condition: Each{Class(3), Class(0)}, Seeds: []uint64{7, 8}, Steps: 3, Guidance: 2},
		{Condition: Class(1), Seeds: []uint64{9}, Steps: 2, Guidance: 1.5, Width: 32},
	}
	want := make([][]float32, len(requests))
	for i, r := range requests {
		y, err := m.Generate(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		want[i] = y.Pixels.F32
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		r := requests[0]
		r.Steps = 900
		if _, err := m.Generate(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
	for range 2 {
		for i, r := range requests {
			wg.Go(func() {
				y, err := m.Generate(t.Context(), r)
				if err != nil {
					t.Error(err)
				} else if !slices.Equal(y.Pixels.F32, want[i]) {
					t.Errorf("request %d is not the picture that it is alone", i)
				}
			})
		}
	}
	wg.Wait()
}

// twoDevices is the processor as an engine of two devices, which tells how many rows its
// programs have whose input is x.
type twoDevices struct {
	engine.Engine
	mu   sync.Mutex
	rows []int
}

func (*twoDevices) Devices() int { return 2 }

func (e *twoDevices) Compile(g *graph.Graph, outputs []graph.Value, w engine.Weights, opt engine.Options) (engine.Program, error) {
	for _, n := range g.Nodes() {
		if in, ok := n.Op.(graph.Input); ok && in.Name == "x" {
			e.mu.Lock()
			e.rows = append(e.rows, in.Type.Shape[0])
			e.mu.Unlock()
		}
	}
	return e.Engine.Compile(g, outputs, w, opt)
}

// TestManyDevices: every batch of a denoiser and of a first stage is one that all devices
// share, whatever the number of pictures, and the pictures are those of one device.
func TestManyDevices(t *testing.T) {
	net, vars := tinyNetwork(t), tinyWeights(t, tinyNetwork(t))
	requests := []Request{
		{Condition: Class(2), Seeds: []uint64{6}, Steps: 2, Guidance: 1},
		{Condition: Class(1), Seeds: []uint64{5, 7, 8}, Steps: 2, Guidance: 1.5},
		{Condition: Class(1), Seeds: []uint64{9}, Steps: 2, Guidance: 1, Start: colourful(16, 16), Strength: .5},
	}
	var want [][]float32
	for _, eng := range []engine.Engine{cpu.New(cpu.Options{}), &twoDevices{Engine: cpu.New(cpu.Options{})}} {
		w, err := eng.Load(vars, engine.LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		m := New(net, tinyTarget(t), nil, w, Options{Engine: eng})
		for i, r := range requests {
			y, err := m.Generate(t.Context(), r)
			switch {
			case err != nil:
				t.Fatal(err)
			case len(want) < len(requests):
				want = append(want, y.Pixels.F32)
			case !slices.Equal(y.Pixels.F32, want[i]):
				t.Errorf("request %d: two devices draw another picture", i)
			}
		}
		m.Close()
		w.Close()
		if two, ok := eng.(*twoDevices); ok {
			if len(two.rows) == 0 || slices.ContainsFunc(two.rows, func(n int) bool { return n%2 != 0 }) {
				t.Errorf("programs of %v rows: want even numbers", two.rows)
			}
			t.Logf("programs of %v rows", two.rows)
		}
	}
}
