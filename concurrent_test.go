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
