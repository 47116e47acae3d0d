package metric

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/ldm-go/ldm/fault"
)

// Statistics are the mean and the covariance (with n - 1) of features, to which
// FID compares a set of pictures.
type Statistics struct {
	Mean       []float64
	Covariance *mat.SymDense
	N          int // of samples; 0 if unknown
}

// Features are vectors of samples [n, d], row by row.
type Features struct {
	N, D   int
	Values []float32
}

// Row is the vector of sample i.
func (f Features) Row(i int) []float32 { return f.Values[i*f.D : (i+1)*f.D] }

// Append adds a sample.
func (f *Features) Append(v []float32) {
	f.N, f.D = f.N+1, len(v)
	f.Values = append(f.Values, v...)
}

// matrix widens features to float64.
func (f Features) matrix() *mat.Dense {
	wide := make([]float64, len(f.Values))
	for i, v := range f.Values {
		wide[i] = float64(v)
	}
	return mat.NewDense(f.N, f.D, wide)
}

// NewStatistics are those of at least two samples.
func NewStatistics(f Features) (Statistics, error) {
	if f.N < 2 {
		return Statistics{}, fault.Inputf("statistics of %d pictures: want at least 2", f.N)
	}
	m := f.matrix()
	mean := make([]float64, f.D)
	for i := range f.N {
		for j, v := range m.RawRowView(i) {
			mean[j] += v
		}
	}
	for j := range mean {
		mean[j] /= float64(f.N)
	}
	for i := range f.N {
		row := m.RawRowView(i)
		for j := range row {
			row[j] -= mean[j]
		}
	}
	s := Statistics{mean, mat.NewSymDense(f.D, nil), f.N}
	s.Covariance.SymOuterK(1/float64(f.N-1), m.T())
	return s, nil
}

// FID is the Fréchet distance of two normal distributions with the given
// statistics, |m₁-m₂|² + tr(S₁ + S₂ - 2√(S₁S₂)): Heusel et al., "GANs Trained by a
// Two Time-Scale Update Rule Converge to a Local Nash Equilibrium" (arXiv
// 1706.08500), equation 6.
func FID(a, b Statistics) (float64, error) {
	d := len(a.Mean)
	if len(b.Mean) != d || d == 0 {
		return 0, fault.Inputf("FID of features of %d and of %d dimensions: want the same network", d, len(b.Mean))
	}
	var sum float64
	for i, v := range a.Mean {
		sum += (v - b.Mean[i]) * (v - b.Mean[i])
	}
	for _, s := range []Statistics{a, b} {
		if sum += mat.Trace(s.Covariance); !finite(s.Covariance) || math.IsNaN(sum) || math.IsInf(sum, 0) {
			return 0, fault.Inputf("FID of features that are not finite")
		}
	}
	trace, err := rootTrace(a.Covariance, b.Covariance)
	return sum - 2*trace, err
}

func finite(s *mat.SymDense) bool {
	for _, v := range s.RawSymmetric().Data {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// rootTrace is tr √(S₁S₂). With S₁ = RᵀR the eigenvalues of S₁S₂ are those of the
// symmetric R·S₂·Rᵀ, and zeros; R has as many rows as S₁ has rank, which is below
// the number of samples.
func rootTrace(s1, s2 *mat.SymDense) (trace float64, err error) {
	var cholesky mat.PivotedCholesky
	cholesky.Factorize(s1, -1)
	rank, n := cholesky.Rank(), s1.SymmetricDim()
	if rank == 0 {
		return 0, nil
	}
	var u mat.TriDense
	cholesky.UTo(&u)
	r := mat.NewDense(rank, n, nil)
	for k, column := range cholesky.ColumnPivots(nil) {
		for i := range min(rank, k+1) {
			r.Set(i, column, u.At(i, k))
		}
	}
	var half, product mat.Dense
	half.Mul(r, s2)
	product.Mul(&half, r.T())
	symmetric := mat.NewSymDense(rank, nil)
	for i := range rank {
		for j := i; j < rank; j++ {
			symmetric.SetSym(i, j, (product.At(i, j)+product.At(j, i))/2)
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(symmetric, false) {
		return 0, fault.Inputf("the eigenvalues of the covariances' product were not found")
	}
	for _, v := range eigen.Values(nil) {
		trace += math.Sqrt(max(v, 0))
	}
	return trace, nil
}
