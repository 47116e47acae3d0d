package tiles

import (
	"context"
	"runtime/debug"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// Chain computes an encoder or a decoder in bounded memory, with the result of the
// whole within the error of float32. What fits is computed whole; the rest by
// tiles that overlap as far as the steps look around. A group norm needs the mean
// and the variance of the whole picture, so that for each norm all tiles are
// computed once up to it, unless what it normalises is in memory: time is
// exchanged for memory, and the more memory there is the fewer norms that are.
type Chain struct {
	Steps   []autoencoder.Step
	Engine  engine.Engine
	Weights engine.Weights
	Prefix  string // of the parameters' names
	Options engine.Options
	// MaxBytes bounds the memory that Run takes: programs, planes between them and
	// new forms of weights, but not the picture that it is given.
	MaxBytes int64
	// Progress, if set, is told of the share of the work that is done.
	Progress func(share float64)
}

// run is a picture on its way.
type run struct {
	Chain
	pool
	ctx context.Context
	at  *plane         // what the steps before gave
	out *tensor.Tensor // what the last phase writes to

	work, done float64
}

// Run computes the chain for pictures x [N, H, W, C], one after the other. Where
// MaxBytes is too little it is a fault.Memory.
func (c Chain) Run(ctx context.Context, x *tensor.Tensor) (*tensor.Tensor, error) {
	if len(c.Steps) == 0 {
		return x, nil
	}
	var out *tensor.Tensor
	for i := range x.Shape[0] {
		r := &run{Chain: c, ctx: ctx}
		y, err := r.picture(x.Row(i).F32, x.Shape[1], x.Shape[2], x.Shape[3])
		if err != nil {
			return nil, err
		}
		if x.Shape[0] == 1 {
			return y, nil
		}
		if out == nil {
			out = tensor.New(append([]int{x.Shape[0]}, y.Shape[1:]...)...)
		}
		copy(out.Row(i).F32, y.F32)
	}
	return out, nil
}

func (r *run) picture(x []float32, h, w, c int) (*tensor.Tensor, error) {
	r.at = &plane{h: h, w: w, c: c, rows: h, blocks: [][]float32{x}, pool: &pool{}}
	phases, err := r.plan()
	if err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // what planning took
	for _, p := range phases {
		r.work += r.cost(p)
	}
	for _, p := range phases {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		next, err := r.compute(p)
		if err != nil {
			return nil, err
		}
		if r.at.releaseAll(); p.to < len(r.Steps) {
			r.at = next
		}
		r.pool.free = nil
		debug.FreeOSMemory()
	}
	return r.out, nil
}

// result is the plane behind a phase: of the last one, the memory of the result.
func (r *run) result(p phase) *plane {
	s := p.shapes[len(p.shapes)-1]
	if p.to < len(r.Steps) {
		return newPlane(&r.pool, s.h, s.w, s.c)
	}
	r.out = tensor.New(1, s.h, s.w, s.c)
	return &plane{h: s.h, w: s.w, c: s.c, rows: s.h, blocks: [][]float32{r.out.F32}, pool: &pool{}}
}

// compute runs a phase: it reads r.at and gives the plane of its result.
func (r *run) compute(p phase) (*plane, error) {
	next := r.result(p)
	if p.window == 0 {
		return next, r.whole(p, next)
	}
	var known []*moments
	for k, n := range p.norms {
		m := newMoments(n.channels)
		if n.direct {
			m.addPlane(r.at)
		} else if err := r.tiles(p, known, k, m.add, nil); err != nil {
			return nil, err
		}
		known = append(known, m)
	}
	return next, r.tiles(p, known, final, func(y *tensor.Tensor, c cell) {
		next.write(y.F32, y.Shape[2], c.y, c.x, c.top, c.left, c.h, c.w)
	}, r.at.release)
}

// whole computes a phase at once.
func (r *run) whole(p phase, next *plane) error {
	g := graph.New()
	prog, err := r.compile(g, r.build(g, p.shapes[0], p.from, p.to, whole), 0)
	if err != nil {
		return err
	}
	defer prog.Close()
	r.at.read(prog.Input("x").F32, 0, 0, r.at.h, r.at.w)
	if p.from > 0 {
		r.at.releaseAll()
	}
	if err := prog.Run(r.ctx); err != nil {
		return err
	}
	y := prog.Output(0)
	next.write(y.F32, next.w, 0, 0, 0, 0, next.h, next.w)
	r.step(r.cost(p))
	return nil
}

// cell is the part of a tile that it answers for: where it is in the tile and in
// the whole.
type cell struct{ y, x, top, left, h, w int }

// tiles computes all tiles of a phase up to norm number k, or its result, and
// gives each with its cell to use. With every row of tiles, passed is told above
// which row of what is read nothing is needed any more.
func (r *run) tiles(p phase, known []*moments, k int, use func(*tensor.Tensor, cell), passed func(row int)) error {
	g := graph.New()
	at := normed{up: p.up, down: p.down, reach: p.reach}
	var y graph.Value
	if k == final {
		y = r.build(g, p.input(), p.from, p.to, p.norm(g, final))
	} else {
		y, at = r.upTo(g, p, k), p.norms[k]
	}
	prog, err := r.compile(g, y, 0)
	if err != nil {
		return err
	}
	defer func() {
		prog.Close()
		debug.FreeOSMemory() // before the next one takes its memory
	}()
	for i, m := range known {
		m.fill(prog, i)
	}
	ys, xs := cover(r.at.h, p.window, p.unit, p.margin()), cover(r.at.w, p.window, p.unit, p.margin())
	share := r.cost(p) / float64(p.passes()*len(ys.starts)*len(xs.starts))
	for i, top := range ys.starts {
		if passed != nil {
			passed(top)
		}
		for j, left := range xs.starts {
			r.at.read(prog.Input("x").F32, top, left, ys.window, xs.window)
			if err := prog.Run(r.ctx); err != nil {
				return err
			}
			y0, y1 := ys.cell(i, at.up, at.down, at.reach)
			x0, x1 := xs.cell(j, at.up, at.down, at.reach)
			use(prog.Output(0), cell{y0 - top*at.up/at.down, x0 - left*at.up/at.down, y0, x0, y1 - y0, x1 - x0})
			r.step(share)
		}
	}
	return nil
}

// passes is how often the tiles of a phase are computed.
func (p phase) passes() int {
	n := 1
	for _, norm := range p.norms {
		if !norm.direct {
			n++
		}
	}
	return n
}

// cost is about how much work a phase is, in values of its steps' results.
func (r *run) cost(p phase) float64 {
	var sum float64
	for _, s := range p.shapes[1:] {
		sum += float64(s.h) * float64(s.w) * float64(s.c)
	}
	if p.window == 0 {
		return sum
	}
	return sum * float64(p.passes()+1) / 2
}

// step reports that some work is done.
func (r *run) step(work float64) {
	if r.done += work; r.Progress != nil {
		r.Progress(min(r.done/r.work, 1))
	}
}
