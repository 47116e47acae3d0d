package metric

import (
	"math"
	"slices"
	"sync"

	"github.com/ldm-go/ldm/fault"
)

// Manifold says how far generated pictures lie among real ones and the reverse, by
// balls around each sample that reach to its k-th nearest neighbour.
type Manifold struct {
	Precision float64 // share of generated samples in a ball of a real one
	Recall    float64 // share of real samples in a ball of a generated one
	Density   float64 // of real balls around a generated sample, on average, divided by k
	Coverage  float64 // share of real balls that have a generated sample in them
}

// NewManifold measures precision and recall (Kynkäänniemi et al., arXiv 1904.06991)
// and density and coverage (Naeem et al., arXiv 2002.09797). Ball and sample touch
// nowhere: a distance counts if it is below the radius.
func NewManifold(real, fake Features, k int) (m Manifold, err error) {
	if real.D != fake.D {
		return m, fault.Inputf("precision of features of %d and of %d dimensions: want the same network", real.D, fake.D)
	}
	if k < 1 || k >= min(real.N, fake.N) {
		return m, fault.Inputf("precision by %d neighbours of %d and %d pictures: want 1 to %d", k, real.N, fake.N, min(real.N, fake.N)-1)
	}
	realRadius, fakeRadius := radii(real, k), radii(fake, k)
	var mu sync.Mutex
	covered, recalled := make([]bool, real.N), make([]bool, real.N)
	parallelRows(fake.N, func(j int) {
		in := 0
		for i := range real.N {
			d := math.Sqrt(squared(real.Row(i), fake.Row(j)))
			inReal, inFake := d < realRadius[i], d < fakeRadius[j]
			if inReal {
				in++
			}
			if inReal || inFake {
				mu.Lock()
				covered[i] = covered[i] || inReal
				recalled[i] = recalled[i] || inFake
				mu.Unlock()
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if in > 0 {
			m.Precision++
		}
		m.Density += float64(in)
	})
	m.Precision /= float64(fake.N)
	m.Density /= float64(k * fake.N)
	m.Recall, m.Coverage = share(recalled), share(covered)
	return m, nil
}

func share(list []bool) float64 {
	n := 0
	for _, v := range list {
		if v {
			n++
		}
	}
	return float64(n) / float64(len(list))
}

// radii are the distances of each sample to its k-th nearest other one.
func radii(f Features, k int) []float64 {
	out := make([]float64, f.N)
	parallelRows(f.N, func(i int) {
		d := make([]float64, 0, f.N-1)
		for j := range f.N {
			if j != i {
				d = append(d, squared(f.Row(i), f.Row(j)))
			}
		}
		slices.Sort(d)
		out[i] = math.Sqrt(d[k-1])
	})
	return out
}

func squared(a, b []float32) (sum float64) {
	b = b[:len(a)]
	for i, v := range a {
		d := float64(v) - float64(b[i])
		sum += d * d
	}
	return sum
}

// parallelRows calls f for all rows, on a few goroutines.
func parallelRows(n int, f func(i int)) {
	var wg sync.WaitGroup
	const workers = 8
	for w := range min(workers, n) {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}

// Neighbour is a sample of a set, and its distance.
type Neighbour struct {
	Index    int
	Distance float64
}

// Nearest are the samples of a set nearest to a vector by Euclidean distance, the
// nearest first.
func (f Features) Nearest(v []float32, n int) []Neighbour {
	all := make([]Neighbour, f.N)
	for i := range all {
		all[i] = Neighbour{i, math.Sqrt(squared(f.Row(i), v))}
	}
	slices.SortStableFunc(all, func(a, b Neighbour) int {
		switch {
		case a.Distance < b.Distance:
			return -1
		case a.Distance > b.Distance:
			return 1
		}
		return 0
	})
	return all[:min(n, len(all))]
}
