package tiles

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// shape is a picture's, of one.
type shape struct{ h, w, c int }

func (s shape) bytes() int64 { return int64(s.h) * int64(s.w) * int64(s.c) * 4 }

// shapes are those before the first step and behind each.
func (r *run) shapes() ([]shape, error) {
	g := graph.New()
	b := nn.NewBuilder(g).In(r.Prefix)
	x := g.Input("x", 1, r.at.h, r.at.w, r.at.c)
	out := []shape{{r.at.h, r.at.w, r.at.c}}
	for _, s := range r.Steps {
		x = s.Build(b, whole, x)
		if err := g.Err(); err != nil {
			return nil, err
		}
		out = append(out, shape{x.Dim(1), x.Dim(2), x.Dim(3)})
	}
	return out, nil
}

// windows are the sides that tiles may have, in pixels of what a phase begins or
// ends with, whichever is larger; the first are preferred.
var windows = []int{512, 384, 256, 192, 128, 96, 64, 48, 32}

// roomy is the smallest of those with which little is computed twice.
const roomy = 128

// plan cuts the chain into phases. What fits is computed whole, as far as it goes;
// what does not, by tiles up to the first step whose result can be kept.
func (r *run) plan() ([]phase, error) {
	shapes, err := r.shapes()
	if err != nil {
		return nil, err
	}
	var phases []phase
	for from := 0; from < len(r.Steps); {
		p, err := r.wholePhase(shapes, from)
		if err == nil && p.to == 0 {
			p, err = r.tilePhase(shapes, from)
		}
		if err != nil {
			return nil, err
		}
		phases = append(phases, p)
		from = p.to
	}
	return phases, nil
}

// kept is the memory of the planes before and behind a phase. The picture that the
// chain is given is not ours.
func (p phase) kept() (before, behind int64) {
	if p.from > 0 {
		before = p.shapes[0].bytes()
	}
	return before, p.shapes[len(p.shapes)-1].bytes()
}

// wholePhase is the longest part from a step on that fits into memory whole; its
// to is 0 if there is none.
func (r *run) wholePhase(shapes []shape, from int) (phase, error) {
	for to := len(r.Steps); to > from; to-- {
		p := phase{from: from, to: to, shapes: shapes[from : to+1]}
		before, behind := p.kept()
		room := r.MaxBytes - before - behind
		if room <= shapes[from].bytes() { // the program's input at least
			continue
		}
		g := graph.New()
		y := r.build(g, shapes[from], from, to, whole)
		switch err := r.tryCompile(g, y, room); {
		case err == nil:
			return p, nil
		case !errors.Is(err, fault.Memory):
			return phase{}, err
		}
	}
	return phase{}, nil
}

// tilePhase is the shortest part from a step on whose result can be kept beside
// tiles of a good size, or of any size.
func (r *run) tilePhase(shapes []shape, from int) (phase, error) {
	if r.Steps[from].Global {
		return phase{}, r.tooLittle(shapes[from], fmt.Sprintf("%s takes all pixels at once", r.Steps[from].Name))
	}
	for _, smallest := range []int{roomy, 0} {
		for to := from + 1; to <= len(r.Steps) && !r.Steps[to-1].Global; to++ {
			for _, side := range windows {
				if side < smallest {
					break
				}
				p := r.newPhase(shapes, from, to, side)
				room := r.MaxBytes - r.beside(p)
				if room <= 0 || !p.advances() {
					continue
				}
				g := graph.New()
				y := r.build(g, p.input(), from, to, p.norm(g, final))
				switch err := r.tryCompile(g, y, room); {
				case err == nil:
					return p, nil
				case !errors.Is(err, fault.Memory):
					return phase{}, err
				}
			}
		}
	}
	return phase{}, r.tooLittle(shapes[from], "even the smallest tiles do not fit")
}

func (r *run) tooLittle(s shape, why string) error {
	return fault.Memoryf("a picture of %dx%d with %d channels in %d MiB: %s", s.w, s.h, s.c, r.MaxBytes>>20, why)
}

// beside is the memory that a phase of tiles takes beside its program: as rows
// of its result are written, those of its input that no tile needs are released.
func (r *run) beside(p phase) int64 {
	a, b := p.shapes[0], p.shapes[len(p.shapes)-1]
	before, behind := p.kept()
	in := int64(p.window) * int64(a.w*a.c) * 4
	out := int64(p.window) * int64(b.h) / int64(a.h) * int64(b.w*b.c) * 4
	most := min(max(before+out, behind+min(in, before)), before+behind)
	return most + 2*4*int64(blockFloats) // which are not full
}

// tryCompile tells whether a program fits.
func (r *run) tryCompile(g *graph.Graph, y graph.Value, room int64) error {
	prog, err := r.compile(g, y, room)
	if err != nil {
		return err
	}
	prog.Close()
	debug.FreeOSMemory() // before what is compiled next
	return nil
}
