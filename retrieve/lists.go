package retrieve

import (
	"context"
	"math"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/tensor"
)

// The directions of the lists are means of the pictures nearest to them (k-means over vectors
// of norm 1): so many rounds over at most so many pictures for each.
const (
	rounds     = 8
	sampleEach = 64
)

// Index makes the index for approximate search. It is the same for the same vectors on the
// same instructions, and so are the neighbours that are found by it. tell, if not nil, is told
// of what share is done.
func (d *Database) Index(ctx context.Context, tell func(done float64)) error {
	p, err := newPartition(d, lists(d.Len()))
	if err != nil {
		return err
	}
	defer p.close()
	step := max(d.Len()/(sampleEach*p.lists), 1)
	sample := make([]int, 0, d.Len()/step+1)
	for i := 0; i < d.Len(); i += step {
		sample = append(sample, i)
	}
	all := make([]int, d.Len())
	for i := range all {
		all[i] = i
	}
	p.total, p.tell = rounds*len(sample)+len(all), tell
	for i := range p.lists {
		d.unit(p.centres.Row(i).F32, sample[i*len(sample)/p.lists])
	}
	list := make([]int32, d.Len())
	for range rounds {
		if err := p.assign(ctx, sample, list); err != nil {
			return err
		}
		p.update(sample, list)
	}
	if err := p.assign(ctx, all, list); err != nil {
		return err
	}
	d.index = listsOf(p.centres.Clone(), list)
	return nil
}

// unit writes a picture's vector with norm 1, or zeros where it has none.
func (d *Database) unit(dst []float32, i int) {
	scale := float32(0)
	if d.norms[i] > 0 {
		scale = 1 / d.norms[i]
	}
	for j, v := range d.Vectors.Row(i).F32 {
		dst[j] = scale * v
	}
}

// partition is the work of Index.
type partition struct {
	d           *Database
	lists       int
	centres     *tensor.Tensor
	weights     engine.Weights
	products    engine.Program // cosines of a chunk of pictures with all directions
	done, total int
	tell        func(float64)
}

func newPartition(d *Database, lists int) (*partition, error) {
	g := graph.New()
	x := g.Input("x", chunk, d.Width())
	y := g.MatMul(x, g.Input("centres", lists, d.Width()), false, true)
	if err := g.Err(); err != nil {
		return nil, err
	}
	e := cpu.New(cpu.Options{})
	w, err := e.Load(engine.Vars{}, engine.LoadOptions{})
	if err != nil {
		return nil, err
	}
	prog, err := e.Compile(g, []graph.Value{y}, w, engine.Options{})
	if err != nil {
		w.Close()
		return nil, err
	}
	return &partition{d: d, lists: lists, centres: prog.Input("centres"), weights: w, products: prog}, nil
}

func (p *partition) close() {
	p.products.Close()
	p.weights.Close()
}

// assign finds the nearest direction of each of some pictures.
func (p *partition) assign(ctx context.Context, pictures []int, list []int32) error {
	x := p.products.Input("x")
	for from := 0; from < len(pictures); from += chunk {
		some := pictures[from:min(from+chunk, len(pictures))]
		clear(x.F32)
		for i, at := range some {
			p.d.unit(x.Row(i).F32, at)
		}
		if err := p.products.Run(ctx); err != nil {
			return err
		}
		y := p.products.Output(0)
		for i, at := range some {
			best := 0
			row := y.Row(i).F32
			for j, v := range row {
				if v > row[best] {
					best = j
				}
			}
			list[at] = int32(best)
		}
		if p.done += len(some); p.tell != nil {
			p.tell(float64(p.done) / float64(p.total))
		}
	}
	return nil
}

// update makes each direction the mean of its pictures; one that has none stays.
func (p *partition) update(pictures []int, list []int32) {
	sums := make([]float64, p.lists*p.d.Width())
	unit := make([]float32, p.d.Width())
	for _, at := range pictures {
		p.d.unit(unit, at)
		sum := sums[int(list[at])*len(unit):][:len(unit)]
		for j, v := range unit {
			sum[j] += float64(v)
		}
	}
	for i := range p.lists {
		sum, norm := sums[i*len(unit):][:len(unit)], 0.0
		for _, v := range sum {
			norm += v * v
		}
		if norm == 0 {
			continue
		}
		norm = math.Sqrt(norm)
		for j, v := range sum {
			p.centres.Row(i).F32[j] = float32(v / norm)
		}
	}
}
