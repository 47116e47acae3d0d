package par

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestPhases: every task runs once, and all of them before the next phase begins,
// whether workers still look on, sleep or are more than the processors.
func TestPhases(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 9} {
		p := NewPool(workers)
		for round := range 300 {
			tasks := round % 17
			done := make([]atomic.Int32, tasks+1)
			var before atomic.Int32
			phases := []Phase{
				{Tasks: tasks, Run: func(task, worker int) {
					if worker < 0 || worker >= workers {
						t.Errorf("worker %d of %d", worker, workers)
					}
					done[task].Add(1)
					before.Add(1)
				}},
				{Tasks: 3, Run: func(int, int) {
					if got := int(before.Load()); got != tasks {
						t.Errorf("%d workers: %d of %d tasks before the next phase", workers, got, tasks)
					}
				}},
			}
			p.Run(phases)
			for i := range tasks {
				if n := done[i].Load(); n != 1 {
					t.Fatalf("%d workers: task %d ran %d times", workers, i, n)
				}
			}
			if round%50 == 0 {
				time.Sleep(2 * longest)
			}
		}
		p.Close()
	}
}

func TestPanic(t *testing.T) {
	p := NewPool(3)
	defer p.Close()
	for range 20 {
		func() {
			defer func() {
				if v := recover(); v != "no" {
					t.Errorf("recovered %v", v)
				}
			}()
			p.runPhase(&Phase{Tasks: 8, Run: func(task, _ int) {
				if task == 5 {
					panic("no")
				}
			}})
		}()
	}
}

// TestForgets: an idle pool does not keep what the last run referred to, such as
// the memory of a program that is closed.
func TestForgets(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	freed := make(chan struct{})
	func() {
		memory := new([1 << 20]byte)
		runtime.AddCleanup(memory, func(done chan struct{}) { close(done) }, freed)
		p.Run([]Phase{{Tasks: 4, Run: func(task, _ int) { memory[task] = 1 }}})
	}()
	for range 10 {
		runtime.GC()
		select {
		case <-freed:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the memory of the last run is kept")
}
