package data

import (
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// brokenList remembers which pictures could not be read.
type brokenList struct {
	mu   sync.Mutex
	errs map[string]error // by file
	of   int              // pictures that were to be read
}

func (b *brokenList) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.errs)
}

// add notes a broken picture; the error says that there are too many.
func (b *brokenList) add(file string, err error, share float64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.errs == nil {
		b.errs = map[string]error{}
	}
	b.errs[file] = err
	if share == 0 {
		share = 0.1
	}
	if len(b.errs) <= max(1, int(share*float64(b.of))) && len(b.errs) < b.of {
		return nil
	}
	return fault.Filef("%d of %d pictures are broken or missing, more than is allowed (%g %%): %w", len(b.errs), b.of, 100*share, b.some())
}

// some are the first errors in the order of their files.
func (b *brokenList) some() error {
	const most = 5
	files := sortedKeys(b.errs)
	var list []error
	for _, file := range files[:min(most, len(files))] {
		list = append(list, b.errs[file])
	}
	return oneLine(list)
}

// oneLine joins errors with semicolons.
type oneLine []error

func (l oneLine) Error() string {
	texts := make([]string, len(l))
	for i, err := range l {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (l oneLine) Unwrap() []error { return l }

// Broken lists the pictures that could not be read so far, with the reasons.
func (s *Set) Broken() []error {
	s.broken.mu.Lock()
	defer s.broken.mu.Unlock()
	var list []error
	for _, file := range sortedKeys(s.broken.errs) {
		list = append(list, s.broken.errs[file])
	}
	return list
}

// checkHeaders reads the header of every picture and leaves those out that are
// missing or none; too many are an error.
func (s *Set) checkHeaders() error {
	errs := make([]error, len(s.Items))
	cancelled := s.options.Err
	if cancelled == nil {
		cancelled = func() error { return nil }
	}
	parallel(len(s.Items), func(i int) {
		if cancelled() != nil {
			return
		}
		item := &s.Items[i]
		item.Width, item.Height, errs[i] = size(item)
	})
	if err := cancelled(); err != nil {
		return err
	}
	s.broken.of = len(s.Items)
	kept := s.Items[:0]
	var tooMany error
	for i, item := range s.Items {
		if errs[i] == nil {
			kept = append(kept, item)
			continue
		}
		if err := s.broken.add(item.File, named(item.File, errs[i]), s.options.MaxBroken); err != nil {
			tooMany = err
		}
	}
	s.Items = kept
	return tooMany
}

func size(item *Item) (int, int, error) {
	r, err := item.source.Open()
	if err != nil {
		return 0, 0, err
	}
	defer r.Close()
	return picture.SizeAt(r, r.Size())
}

func named(file string, err error) error {
	if strings.Contains(err.Error(), file) {
		return err
	}
	return fmt.Errorf("%s: %w", file, err)
}

// parallel calls f for 0 to n-1 on all processors.
func parallel(n int, f func(i int)) {
	workers := min(2*runtime.GOMAXPROCS(0), n)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}

// What is known of a picture's pixels.
const (
	unknown = iota
	good
	bad
)

// states says it of every picture.
type states struct {
	mu   sync.Mutex
	list []byte
}

func (s *states) known(i int) byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list[i]
}

func (s *states) set(i int, v byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list[i] = v
}
