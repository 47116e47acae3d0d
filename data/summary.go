package data

import (
	"fmt"
	"sort"
	"strings"
)

// Summary says what was found at a place.
type Summary struct {
	Pictures    int            // in the set
	Repeated    int            // pictures of an epoch, with repeats
	Captioned   int            // pictures that have a caption
	Captions    int            // of all pictures
	Sources     map[string]int // pictures by where their first caption comes from
	Classes     int
	Unlabelled  int // pictures without a class, where others have one
	Boxes       int
	Companions  map[string]int // pictures that have a companion, by its name
	Split       string         // train, validation or test, where there are folders for them
	Shards      int
	UnusedCount int      // files that are not hidden and say nothing: pictures that metadata does not name, and others
	Unused      []string // some of them
	Hidden      int      // files and folders that systems leave (.DS_Store, Thumbs.db, ...)
	Broken      int      // pictures that are missing or whose header does not decode, left out
	UnknownKeys []string // keys of metadata that have no meaning here
}

// summary counts what the listing alone knows.
func (l *listing) summary() Summary {
	const most = 8
	s := Summary{Sources: l.sources, Split: l.Split, Shards: l.tree.Shards, Hidden: l.tree.Hidden, UnknownKeys: sortedKeys(l.unknown)}
	for _, f := range l.tree.Files {
		if e := l.byKey[f.Key()]; e != nil && (e.taken || e.goes) || l.used[f.Key()] || !strings.HasPrefix(f.Name, l.split) {
			continue
		}
		if s.UnusedCount++; len(s.Unused) < most {
			s.Unused = append(s.Unused, f.Path())
		}
	}
	return s
}

// summarise counts what the items say.
func (s *Set) summarise() {
	m := &s.Summary
	m.Pictures, m.Classes, m.Companions = len(s.Items), len(s.Classes), map[string]int{}
	m.Broken = s.broken.count()
	for _, item := range s.Items {
		m.Repeated += item.Repeats
		m.Captions += len(item.Texts)
		m.Boxes += len(item.Boxes)
		if len(item.Texts) > 0 {
			m.Captioned++
		}
		if item.Class < 0 && len(s.Classes) > 0 {
			m.Unlabelled++
		}
		for name := range item.Others {
			m.Companions[name]++
		}
	}
}

// String is the summary in a line.
func (s Summary) String() string {
	parts := []string{count(s.Pictures, "picture")}
	if s.Split != "" {
		parts[0] += " of the split " + s.Split
	}
	if s.Shards > 0 {
		parts[0] += " in " + count(s.Shards, "archive")
	}
	if s.Repeated != s.Pictures {
		parts[0] += fmt.Sprintf(" (%d an epoch, with repeats)", s.Repeated)
	}
	parts = append(parts, s.captions())
	if s.Classes > 0 {
		parts = append(parts, count(s.Classes, "class"))
	}
	if s.Unlabelled > 0 {
		parts = append(parts, fmt.Sprintf("%d without a class", s.Unlabelled))
	}
	if s.Boxes > 0 {
		parts = append(parts, count(s.Boxes, "box"))
	}
	for _, name := range sortedKeys(s.Companions) {
		parts = append(parts, fmt.Sprintf("%d with %s", s.Companions[name], name))
	}
	if s.Broken > 0 {
		parts = append(parts, fmt.Sprintf("%d broken or missing, left out", s.Broken))
	}
	unused := count(s.UnusedCount, "unused file")
	if s.UnusedCount > 0 {
		unused += " (" + strings.Join(s.Unused[:min(3, len(s.Unused))], ", ")
		if s.UnusedCount > 3 {
			unused += ", ..."
		}
		unused += ")"
	}
	return strings.Join(append(parts, unused), ", ")
}

func (s Summary) captions() string {
	if s.Captions == 0 {
		return "no captions"
	}
	var from []string
	for name, n := range s.Sources {
		from = append(from, fmt.Sprintf("%s for %d", name, n))
	}
	sort.Strings(from)
	text := fmt.Sprintf("%s (%s)", count(s.Captions, "caption"), strings.Join(from, ", "))
	if len(from) == 1 && s.Captioned == s.Pictures {
		text = fmt.Sprintf("%s (%s)", count(s.Captions, "caption"), sortedKeys(s.Sources)[0])
	}
	if missing := s.Pictures - s.Captioned; missing > 0 {
		text += fmt.Sprintf(", %d without", missing)
	}
	return text
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	plural := noun + "s"
	if strings.HasSuffix(noun, "s") || strings.HasSuffix(noun, "x") {
		plural = noun + "es"
	}
	return fmt.Sprintf("%d %s", n, plural)
}
