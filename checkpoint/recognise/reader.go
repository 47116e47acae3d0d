package recognise

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/graph"
)

// Bounds on what a file may say, so that hostile ones cost little: a dimension,
// and how often a part may repeat.
const (
	maxDim    = 1 << 20
	maxRepeat = 64
	maxLayers = 256
	maxLevels = 10
)

// reader reads shapes under a prefix and keeps the first error.
type reader struct {
	shapes map[string][]int
	prefix string
	err    error
}

func (r *reader) has(name string) bool {
	_, ok := r.shapes[r.prefix+name]
	return ok
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// shape is that of a tensor of known rank; where there is none such, all ones,
// so that a caller may look at the error once it has read everything.
func (r *reader) shape(name string, rank int) []int {
	s, ok := r.shapes[r.prefix+name]
	if !ok {
		r.fail("%s is missing", r.prefix+name)
	} else if len(s) != rank {
		r.fail("%s has shape %v: want %d dimensions", r.prefix+name, s, rank)
	} else {
		for _, d := range s {
			if d < 1 || d > maxDim {
				r.fail("%s has shape %v", r.prefix+name, s)
			}
		}
	}
	if r.err == nil {
		return s
	}
	ones := make([]int, rank)
	for i := range ones {
		ones[i] = 1
	}
	return ones
}

// count is how many of the names that format gives for 0, 1, … are there.
func (r *reader) count(format string, limit int) int {
	n := 0
	for r.has(fmt.Sprintf(format, n)) {
		if n++; n > limit {
			r.fail("%s: more than %d", r.prefix+format, limit)
			return limit
		}
	}
	return n
}

// ratio is a/b, or an error where b does not divide a.
func (r *reader) ratio(what string, a, b int) int {
	if a%b != 0 {
		r.fail("%s%s: %d is no multiple of %d", r.prefix, what, a, b)
		return 1
	}
	return a / b
}

// trimmed drops axes of length 1 at the end: linear layers may be stored as
// convolutions of one pixel, and the other way round.
func trimmed(shape []int) []int {
	for len(shape) > 1 && shape[len(shape)-1] == 1 {
		shape = shape[:len(shape)-1]
	}
	return shape
}

// exact checks that the graph's parameters are in the file with their shapes,
// and that the file has no others under prefix that begin with one of parts.
func exact(g *graph.Graph, prefix string, parts, names []string, shapes map[string][]int) error {
	if err := g.Err(); err != nil {
		return err
	}
	built := map[string]bool{}
	for _, v := range g.Params() {
		p := v.Node.Op.(graph.Param)
		built[p.Name] = true
		switch got, ok := shapes[p.Name]; {
		case !ok:
			return fmt.Errorf("%s is missing: its surroundings want it, with shape %v", p.Name, p.Shape)
		case !slices.Equal(trimmed(p.Shape), trimmed(got)):
			return fmt.Errorf("%s has shape %v: its surroundings want %v", p.Name, got, p.Shape)
		}
	}
	for _, name := range names {
		for _, part := range parts {
			if strings.HasPrefix(name, prefix+part) && !built[name] {
				return fmt.Errorf("%s belongs to no structure that is known", name)
			}
		}
	}
	return nil
}
