package stock

import (
	"errors"
	"slices"
	"time"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
)

// unload gives a model's memory back. It is called under s.mu.
func (s *Stock) unload(k *kind) {
	if k.model == nil {
		return
	}
	s.dropControls(k, func() bool { return false })
	k.model.Close()
	k.model, k.set, k.remarks, k.taught = nil, nil, nil, 0
	s.opt.Log.Info("model unloaded", "model", k.ID)
}

// Load implements serve.Models.
func (s *Stock) Load(id string) error {
	k := s.find(id)
	if k == nil {
		return fault.Inputf("there is no model %q", id)
	}
	_, release, err := s.use(k)
	if err == nil {
		release()
	}
	return err
}

// Unload implements serve.Models.
func (s *Stock) Unload(id string) {
	k := s.find(id)
	if k == nil || !k.loading.TryLock() {
		return
	}
	defer k.loading.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.users == 0 {
		s.unload(k)
	}
}

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
		for _, h := range k.controls {
			sum += h.bytes
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
		s.makeRoom(k.Model.Bytes, k)
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
		if k.gone && k.users == 0 {
			s.unload(k)
		}
	}, nil
}

// makeRoom unloads ControlNets and models that nobody uses until so much more fits, for a
// model which stays.
func (s *Stock) makeRoom(bytes int64, stays *kind) {
	if s.opt.MaxMemory == 0 {
		return
	}
	idle := slices.Clone(s.kinds)
	slices.SortFunc(idle, func(a, b *kind) int { return a.used.Compare(b.used) })
	fits := func() bool { return s.loaded()+bytes <= s.opt.MaxMemory }
	for _, k := range idle {
		s.dropControls(k, fits)
	}
	for _, k := range idle {
		if fits() {
			return
		}
		if k.model != nil && k.users == 0 && k != stays {
			s.unload(k)
		}
	}
}

// Close unloads all models.
func (s *Stock) Close() error {
	s.retrieval.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, k := range s.kinds {
		s.dropControls(k, func() bool { return false })
		if k.model != nil {
			errs = append(errs, k.model.Close())
			k.model = nil
		}
	}
	return errors.Join(errs...)
}
