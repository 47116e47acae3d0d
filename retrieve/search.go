package retrieve

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/fault"
)

// Neighbour is a picture of a database, with the cosine of the angle between its
// vector and the one that was asked for.
type Neighbour struct {
	Index  int
	Cosine float64
}

// chunk is how many vectors are compared between two looks at the context.
const chunk = 1 << 12

// Search finds the k pictures whose vectors have the largest cosines with q, the
// nearest first, among all of the database; of equal ones those that come first. It is
// exact, every vector being multiplied, but where SetMethod or the database's size have it
// go by an index, which may miss some.
func (d *Database) Search(ctx context.Context, q []float32, k int) ([]Neighbour, error) {
	norm := math.Sqrt(float64(vec.Dot(q, q)))
	switch {
	case len(q) != d.Width():
		return nil, fault.Inputf("a vector of %d numbers: the database has vectors of %d, made by %s", len(q), d.Width(), d.Encoder)
	case k < 1 || k > d.Len():
		return nil, fault.Inputf("%d neighbours: want 1 to %d, the pictures of the database", k, d.Len())
	case !(norm > smallest) || math.IsInf(norm, 0):
		return nil, fault.Inputf("a vector of norm %g has no neighbours", norm)
	}
	if d.approximately() {
		return d.among(ctx, q, norm, k)
	}
	return d.best(ctx, q, norm, k, d.Len(), func(i int) int { return i })
}

// best finds the k nearest among n pictures.
func (d *Database) best(ctx context.Context, q []float32, norm float64, k, n int, at func(i int) int) ([]Neighbour, error) {
	chunks := (n + chunk - 1) / chunk
	best := make([][]Neighbour, chunks)
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), chunks)
	for w := range workers {
		wg.Go(func() {
			for c := w; c < chunks && ctx.Err() == nil; c += workers {
				best[c] = d.nearest(q, norm, k, c*chunk, min((c+1)*chunk, n), at)
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all := slices.Concat(best...)
	sortNearest(all)
	return all[:k], nil
}

// nearest are the at most k nearest of the pictures from one place to another.
func (d *Database) nearest(q []float32, norm float64, k, from, to int, at func(i int) int) []Neighbour {
	all := make([]Neighbour, 0, to-from)
	for place := from; place < to; place++ {
		i := at(place)
		n := Neighbour{Index: i, Cosine: -1}
		if d.norms[i] > 0 {
			n.Cosine = float64(vec.Dot(q, d.Vectors.Row(i).F32)) / (norm * float64(d.norms[i]))
		}
		all = append(all, n)
	}
	sortNearest(all)
	return all[:min(k, len(all))]
}

func sortNearest(list []Neighbour) {
	slices.SortFunc(list, func(a, b Neighbour) int {
		return cmp.Or(cmp.Compare(b.Cosine, a.Cosine), cmp.Compare(a.Index, b.Index))
	})
}
