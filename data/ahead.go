package data

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// lookahead decodes pictures on spare threads while the present ones are
// computed with.
type lookahead struct {
	busy    atomic.Bool
	running sync.WaitGroup
}

// Ahead begins to decode the pictures of the next step. If those of an earlier
// one are still being decoded, the step will have to do that itself.
func (s *Set) Ahead(picks []Pick) {
	if !s.lookahead.busy.CompareAndSwap(false, true) {
		return
	}
	spare := max(1, runtime.GOMAXPROCS(0)/4)
	s.lookahead.running.Go(func() {
		defer s.lookahead.busy.Store(false)
		var wg sync.WaitGroup
		for t := range spare {
			wg.Go(func() {
				for i := t; i < len(picks); i += spare {
					if s.state.known(picks[i].Index) != bad {
						s.prefetch(picks[i])
					}
				}
			})
		}
		wg.Wait()
	})
}

// prefetch decodes a picture that is not in memory; what is broken is found again
// when its turn comes.
func (s *Set) prefetch(p Pick) {
	if s.pixels.has(p.Index) {
		return
	}
	if x, err := s.prepare(p); err == nil && !s.pixels.put(p.Index, x) {
		s.pixels.lay(p.Index, x)
	}
}
