package data

import (
	"cmp"
	"image/color"
	"slices"
	"sync"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// labelTable numbers the colours of maps that have neither a palette nor grey
// values, the same in all files of a set.
type labelTable struct {
	mu     sync.Mutex
	colors map[string][]color.RGBA // by the companion's name
}

// LabelColors lists the colours in all maps of that name, in the order of red,
// green and blue: label i of such a map is colour i. It is empty for maps with
// palettes or grey values. All maps are read at the first call.
func (s *Set) LabelColors(name string) ([]color.RGBA, error) {
	s.labels.mu.Lock()
	defer s.labels.mu.Unlock()
	if list, known := s.labels.colors[name]; known {
		return list, nil
	}
	found := map[color.RGBA]bool{}
	errs := make([]error, len(s.Items))
	var mu sync.Mutex
	parallel(len(s.Items), func(i int) {
		other, there := s.Items[i].Others[name]
		if !there {
			return
		}
		raw, err := other.Read()
		if err != nil {
			errs[i] = err
			return
		}
		l, err := picture.DecodeLabels(raw)
		if err != nil {
			errs[i] = named(other.Path(), err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, c := range l.Colors {
			found[c] = true
		}
	})
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return nil, errs[i]
	}
	list := []color.RGBA{}
	for c := range found {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B), cmp.Compare(a.A, b.A))
	})
	s.setLabelColors(name, list)
	return list, nil
}

// UseLabelColors gives the maps of that name another set's numbers: those of
// training, for validation.
func (s *Set) UseLabelColors(name string, list []color.RGBA) {
	s.labels.mu.Lock()
	defer s.labels.mu.Unlock()
	s.setLabelColors(name, list)
}

func (s *Set) setLabelColors(name string, list []color.RGBA) {
	if s.labels.colors == nil {
		s.labels.colors = map[string][]color.RGBA{}
	}
	s.labels.colors[name] = list
}

// renumber gives a map in colours the numbers of the set.
func (s *Set) renumber(l *picture.Labels, name string, other File) error {
	if len(l.Colors) == 0 {
		return nil
	}
	list, err := s.LabelColors(name)
	if err != nil {
		return err
	}
	numbers := make([]int32, len(l.Colors))
	for i, c := range l.Colors {
		at := slices.Index(list, c)
		if at < 0 {
			return fault.Filef("%s has the colour #%02x%02x%02x, which no map of training has", other.Path(), c.R, c.G, c.B)
		}
		numbers[i] = int32(at)
	}
	for i, v := range l.Index {
		l.Index[i] = numbers[v]
	}
	l.Colors = list
	return nil
}
