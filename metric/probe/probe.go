// Package probe recognises classes by a linear classifier on features: it tells
// whether what a picture should show can be found in it, without a network that was
// trained for that.
package probe

import (
	"gonum.org/v1/gonum/mat"

	"github.com/ldm-go/ldm/fault"
)

// Trainer gathers vectors with their classes. It keeps sums alone, so that there may
// be any number of them.
type Trainer struct {
	d       int
	gram    *mat.SymDense // Σ x·xᵀ
	sums    *mat.Dense    // Σ x of each class, [classes, d]
	counts  []float64
	pending []float64 // vectors that are not in gram yet
}

// batch is how many vectors are summed at a time.
const batch = 256

// NewTrainer is for vectors of d numbers in so many classes.
func NewTrainer(d, classes int) *Trainer {
	return &Trainer{d, mat.NewSymDense(d, nil), mat.NewDense(classes, d, nil), make([]float64, classes), nil}
}

// Add adds a vector of a class from 0.
func (t *Trainer) Add(v []float32, class int) {
	t.counts[class]++
	sum := t.sums.RawRowView(class)
	for i, x := range v {
		t.pending = append(t.pending, float64(x))
		sum[i] += float64(x)
	}
	if len(t.pending) >= batch*t.d {
		t.flush()
	}
}

func (t *Trainer) flush() {
	if n := len(t.pending) / t.d; n > 0 {
		t.gram.SymRankK(t.gram, 1, mat.NewDense(n, t.d, t.pending).T())
		t.pending = t.pending[:0]
	}
}

// Probe is a classifier.
type Probe struct {
	weights *mat.Dense // [classes, d]
	biases  []float64
	known   []bool // classes of which there were examples
}

// shrinkage is how much of the mean variance is added to the variances within
// classes, as a share.
const shrinkage = 1e-2

// Fit is linear discriminant analysis (Fisher 1936): with the covariance S within
// classes and their means μ, a vector is of the class with the largest
// xᵀS⁻¹μ - ½μᵀS⁻¹μ. All classes count alike, however many vectors they have.
func (t *Trainer) Fit() (*Probe, error) {
	t.flush()
	classes, _ := t.sums.Dims()
	p := &Probe{weights: &mat.Dense{}, biases: make([]float64, classes), known: make([]bool, classes)}
	means := mat.NewDense(classes, t.d, nil)
	within := mat.NewSymDense(t.d, nil)
	within.CopySym(t.gram)
	seen, total := 0, 0.
	for c, n := range t.counts {
		if n == 0 {
			continue
		}
		seen, total, p.known[c] = seen+1, total+n, true
		row := means.RawRowView(c)
		for i, s := range t.sums.RawRowView(c) {
			row[i] = s / n
		}
		within.SymRankOne(within, -n, mat.NewVecDense(t.d, row))
	}
	if seen < 2 {
		return nil, fault.Inputf("examples of %d classes: want at least 2 to tell apart", seen)
	}
	within.ScaleSym(1/total, within)
	ridge := shrinkage*mat.Trace(within)/float64(t.d) + 1e-9
	for i := range t.d {
		within.SetSym(i, i, within.At(i, i)+ridge)
	}
	var cholesky mat.Cholesky
	if !cholesky.Factorize(within) {
		return nil, fault.Inputf("the features of the examples are not finite")
	}
	var solved mat.Dense
	if err := cholesky.SolveTo(&solved, means.T()); err != nil {
		return nil, fault.Inputf("the examples do not tell the classes apart: %v", err)
	}
	p.weights.CloneFrom(solved.T())
	for c := range p.biases {
		p.biases[c] = -mat.Dot(mat.NewVecDense(t.d, means.RawRowView(c)), mat.NewVecDense(t.d, p.weights.RawRowView(c))) / 2
	}
	return p, nil
}

// Class is the class of a vector.
func (p *Probe) Class(v []float32) int {
	best, most := -1, 0.
	for c, score := range p.biases {
		if !p.known[c] {
			continue
		}
		row := p.weights.RawRowView(c)
		for i, x := range v {
			score += float64(x) * row[i]
		}
		if best < 0 || score > most {
			best, most = c, score
		}
	}
	return best
}
