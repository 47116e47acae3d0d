// Package stock is the models of a server: those found in a folder, and the one
// in the program. A model is loaded when a job wants it, and unloaded when
// memory is wanted for another, least recently used first.
package stock

import (
	"cmp"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/serve/catalog"
)

// Options of a stock.
type Options struct {
	Files     []string // models by path; the first is the default
	Folder    string   // of more models; "": none
	Box       bool     // the model in the program, too
	Cache     string   // folder where hashes of files are kept; "": none
	MaxMemory int64    // of the weights that are loaded; 0: any
	Load      ldm.Options
	Text      bool   // pictures carry their settings
	Version   string // of the program, for those settings
	Log       *slog.Logger
}

// Stock is a serve.Models.
type Stock struct {
	opt   Options
	mu    sync.Mutex
	kinds []*kind // the default first
}

// kind is a model of the stock, loaded or not.
type kind struct {
	catalog.Model
	open func(ldm.Options) (*ldm.Model, error)

	loading sync.Mutex // held while it is loaded
	model   *ldm.Model // under Stock.mu
	users   int
	used    time.Time
}

// Open looks at the models, without reading their weights. A file in the folder
// that is no model is left out with a line in the log.
func Open(o Options) (*Stock, error) {
	s := &Stock{opt: o}
	for _, path := range o.Files {
		k, err := s.look(path)
		if err != nil {
			return nil, err
		}
		s.kinds = append(s.kinds, k)
	}
	found, err := s.scan()
	if err != nil {
		return nil, err
	}
	s.kinds = append(s.kinds, found...)
	if o.Box {
		k, err := s.box()
		if err != nil {
			return nil, err
		}
		s.kinds = append(s.kinds, k)
	}
	if len(s.kinds) == 0 {
		return nil, errors.New("there is no model: name one with --model, or a folder of them with --models")
	}
	s.unique()
	return s, nil
}

// unique gives each model a name of its own.
func (s *Stock) unique() {
	seen := map[string]int{}
	for _, k := range s.kinds {
		name := k.ID
		if n := seen[name]; n > 0 {
			k.ID = name + "-" + string(rune('1'+n))
		}
		seen[name]++
	}
}

// List implements serve.Models.
func (s *Stock) List() []catalog.Model {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]catalog.Model, len(s.kinds))
	for i, k := range s.kinds {
		list[i] = k.Model
	}
	if len(list) > 1 {
		slices.SortFunc(list[1:], func(a, b catalog.Model) int { return cmp.Compare(a.ID, b.ID) })
	}
	return list
}

// find returns a model by its name.
func (s *Stock) find(id string) *kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kinds {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// Has implements worker.Runner.
func (s *Stock) Has(id string) bool { return s.find(id) != nil }

// Loaded implements worker.Runner.
func (s *Stock) Loaded(id string) bool {
	k := s.find(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return k != nil && k.model != nil
}

// Bytes implements serve.Models.
func (s *Stock) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loaded()
}

func (s *Stock) loaded() (sum int64) {
	for _, k := range s.kinds {
		if k.model != nil {
			sum += k.Model.Bytes
		}
	}
	return sum
}

// use returns a model, loaded; release is to be called when it is not needed.
func (s *Stock) use(k *kind) (m *ldm.Model, release func(), err error) {
	k.loading.Lock()
	defer k.loading.Unlock()
	s.mu.Lock()
	m = k.model
	if m == nil {
		s.makeRoom(k)
	} else {
		k.users++
	}
	s.mu.Unlock()
	if m == nil {
		if m, err = k.open(s.opt.Load); err != nil {
			return nil, nil, err
		}
		s.mu.Lock()
		k.model = m
		k.users++
		s.mu.Unlock()
	}
	return m, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		k.users--
		k.used = time.Now()
	}, nil
}

// makeRoom unloads models that nobody uses until the next one fits.
func (s *Stock) makeRoom(next *kind) {
	if s.opt.MaxMemory == 0 {
		return
	}
	idle := slices.Clone(s.kinds)
	slices.SortFunc(idle, func(a, b *kind) int { return a.used.Compare(b.used) })
	for _, k := range idle {
		if s.loaded()+next.Model.Bytes <= s.opt.MaxMemory {
			return
		}
		if k.model != nil && k.users == 0 && k != next {
			k.model.Close()
			k.model = nil
			s.opt.Log.Info("model unloaded", "model", k.ID)
		}
	}
}

// Close unloads all models.
func (s *Stock) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, k := range s.kinds {
		if k.model != nil {
			errs = append(errs, k.model.Close())
			k.model = nil
		}
	}
	return errors.Join(errs...)
}
