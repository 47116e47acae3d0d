package train

import (
	"context"
	"math"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/hosts"
	"github.com/ldm-go/ldm/tensor"
)

// A step consists of parts, each of Accumulate batches, whose mean gradients are summed
// in the order of hosts.Fold. Each process takes as many of them as the others, one
// behind the other; the bits do not depend on how many processes there are. The batches
// of all parts are numbered as those of one process that takes them one after the other.

func (l Loop) parts() int { return max(l.Parts, 1) }

// shared tells whether gradients are summed outside of the program that computes them.
func (l Loop) shared() bool { return l.parts() > 1 }

// separate tells whether the optimiser's update is a program of its own.
func (l Loop) separate() bool { return l.Accumulate > 1 || l.shared() }

// perStep is how many batches a step has.
func (l Loop) perStep() int { return l.Accumulate * l.parts() }

// batch is the number, from 1, of batch k of a part of step n.
func (l Loop) batch(n, part, k int) int {
	return ((n-1)*l.parts()+part)*l.Accumulate + k + 1
}

// sharedBy settles the parts for so many processes: a power of two for each, as sums of
// so many neighbours are parts of Fold's.
func (l Loop) sharedBy(o hosts.Options) (Loop, error) {
	if err := o.Validate(); err != nil {
		return l, err
	}
	world := o.World()
	if l.Parts == 0 && world > 1 {
		l.Parts = world
	}
	if each := l.parts() / world; world > 1 && (l.parts()%world != 0 || each&(each-1) != 0) {
		return l, fault.Inputf("train.parts is %d for %d processes: want %d, %d, %d or so on: 1, 2, 4 for each", l.Parts, world, world, 2*world, 4*world)
	}
	return l, nil
}

// own are the parts of this process, from one up to another.
func (r Run) own(l Loop) (from, to int) {
	each := l.parts() / r.Hosts.World()
	return r.Hosts.Rank * each, (r.Hosts.Rank + 1) * each
}

// following tells which batch, both counted from 0, this process takes after another.
func (r Run) following(l Loop) func(batch int) int {
	from, to := r.own(l)
	all := l.parts() * l.Accumulate
	return func(batch int) int {
		if batch%all+1 < to*l.Accumulate {
			return batch + 1
		}
		return (batch/all+1)*all + from*l.Accumulate
	}
}

// moveParts carries out one objective's step where it has several parts: this process's,
// the sum with those of the others, and the update, which all do alike.
func (l *loop) moveParts(ctx context.Context, p *pass, n int) error {
	statistics := p.updated()
	var begin engine.Vars // every part follows the statistics from where the step begins
	var err error
	if len(statistics) > 0 {
		if begin, err = l.pull(statistics...); err != nil {
			return err
		}
	}
	var terms []float32
	var own [][]float32
	var series hosts.Series
	from, to := l.own(l.cfg)
	for part := from; part < to; part++ {
		if part > from && begin != nil {
			if err := l.weights.Push(cloned(begin)); err != nil {
				return err
			}
		}
		for k := range l.cfg.Accumulate {
			values, _, err := l.runBatch(ctx, p, n, part, k)
			if err != nil {
				return err
			}
			terms = append(terms, values...)
		}
		if own, err = l.results(p, statistics); err != nil {
			return err
		}
		if to-from > 1 {
			series.Add(own...)
		}
	}
	if to-from > 1 {
		own = cut(series.Sum(), own)
	}
	if err := l.sumUp(ctx, p, own, begin, statistics); err != nil {
		return err
	}
	if terms, err = l.gatherTerms(ctx, terms); err != nil {
		return err
	}
	for len(terms) > 0 {
		terms = terms[l.logTerms(p, terms):]
	}
	return l.runUpdate(ctx, p, n)
}

// cloned copies parameters, as those that are pushed belong to the device.
func cloned(vars engine.Vars) engine.Vars {
	out := engine.Vars{}
	for name, t := range vars {
		out[name] = t.Clone()
	}
	return out
}

// results are the gradients of this process and the statistics behind them, where they
// lie until the next run of the program.
func (l *loop) results(p *pass, statistics []string) (list [][]float32, err error) {
	names := make([]string, 0, len(p.weights)+len(statistics))
	for _, w := range p.weights {
		names = append(names, accumulated+w.Name)
	}
	names = append(names, statistics...)
	vars, err := l.weights.Pull(names...)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		list = append(list, vars[name].F32)
	}
	return list, nil
}

// cut cuts an array into pieces as long as those of another.
func cut(whole []float32, as [][]float32) [][]float32 {
	out := make([][]float32, len(as))
	for i, piece := range as {
		out[i], whole = whole[:len(piece)], whole[len(piece):]
	}
	return out
}

// sumUp gives the update the mean of all parts' gradients, and the device that of the statistics.
func (l *loop) sumUp(ctx context.Context, p *pass, own [][]float32, begin engine.Vars, statistics []string) error {
	means := make([][]float32, 0, len(own))
	for _, w := range p.weights {
		means = append(means, p.update.Input(accumulated+w.Name).F32)
	}
	after := engine.Vars{}
	for _, name := range statistics {
		after[name] = tensor.New(begin[name].Shape...)
		means = append(means, after[name].F32)
	}
	share := 1 / float32(l.cfg.parts())
	if l.group != nil {
		if err := l.group.Sum(ctx, means, own, share); err != nil {
			return err
		}
	} else {
		for i, piece := range own {
			for k, v := range piece {
				means[i][k] = share * v
			}
		}
	}
	if len(after) == 0 {
		return nil
	}
	return l.weights.Push(after)
}

// gatherTerms joins the logged numbers of all processes, in the order of the batches.
func (l *loop) gatherTerms(ctx context.Context, own []float32) ([]float32, error) {
	if l.group == nil {
		return own, nil
	}
	return gathered(ctx, l.group, own)
}

// gathered joins arrays of all processes, which may have any lengths, in the order of the ranks.
func gathered(ctx context.Context, g *hosts.Group, own []float32) (all []float32, err error) {
	raw := make([]byte, 0, 4*len(own))
	for _, v := range own {
		b := math.Float32bits(v)
		raw = append(raw, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
	}
	notes, err := g.Gather(ctx, raw)
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		for ; len(n) >= 4; n = n[4:] {
			all = append(all, math.Float32frombits(uint32(n[0])|uint32(n[1])<<8|uint32(n[2])<<16|uint32(n[3])<<24))
		}
	}
	return all, nil
}
