package metric

import (
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/mathext/prng"

	"github.com/ldm-go/ldm/fault"
)

// KID is the mean over subsets of the squared maximum mean discrepancy of two sets
// of features with the kernel (x·y/d + 1)³, and its standard deviation: Bińkowski
// et al., "Demystifying MMD GANs" (arXiv 1801.01401). The subsets, of size samples
// each, are those that torch-fidelity draws (numpy's RandomState(2020)).
func KID(a, b Features, subsets, size int) (mean, deviation float64, err error) {
	if a.D != b.D {
		return 0, 0, fault.Inputf("KID of features of %d and of %d dimensions: want the same network", a.D, b.D)
	}
	if size < 2 || size > min(a.N, b.N) || subsets < 1 {
		return 0, 0, fault.Inputf("KID over %d subsets of %d of %d and %d pictures: want subsets of 2 to %d", subsets, size, a.N, b.N, min(a.N, b.N))
	}
	random := newNumpyRandom(2020)
	values := make([]float64, subsets)
	for i := range values {
		x := a.pick(random.permutation(a.N)[:size])
		y := b.pick(random.permutation(b.N)[:size])
		values[i] = mmd(x, y)
		mean += values[i]
	}
	mean /= float64(subsets)
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(subsets)), nil
}

func (f Features) pick(rows []int) Features {
	out := Features{D: f.D}
	for _, i := range rows {
		out.Append(f.Row(i))
	}
	return out
}

// mmd is the unbiased estimate of the squared discrepancy.
func mmd(a, b Features) float64 {
	x, y := a.matrix(), b.matrix()
	n, m := float64(a.N), float64(b.N)
	return kernelSum(x, x, true)/(n*(n-1)) + kernelSum(y, y, true)/(m*(m-1)) - 2*kernelSum(x, y, false)/(n*m)
}

// kernelSum adds up the kernel over all pairs of rows, or those of different ones.
func kernelSum(x, y *mat.Dense, different bool) (sum float64) {
	_, d := x.Dims()
	var products mat.Dense
	products.Mul(x, y.T())
	rows, columns := products.Dims()
	for i := range rows {
		for j := range columns {
			if different && i == j {
				continue
			}
			k := products.At(i, j)/float64(d) + 1
			sum += k * k * k
		}
	}
	return sum
}

// numpyRandom draws what numpy's RandomState draws.
type numpyRandom struct{ *prng.MT19937 }

func newNumpyRandom(seed uint64) numpyRandom {
	source := prng.NewMT19937()
	source.Seed(seed)
	return numpyRandom{source}
}

// permutation is numpy's permutation(n), and the order of choice(n, replace=False).
func (r numpyRandom) permutation(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := r.upTo(uint32(i))
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// upTo is a whole number from 0 to most: bits under a mask, until one fits.
func (r numpyRandom) upTo(most uint32) int {
	mask := most
	for shift := 1; shift < 32; shift *= 2 {
		mask |= mask >> shift
	}
	for {
		if v := r.Uint32() & mask; v <= most {
			return int(v)
		}
	}
}

// InceptionScore is the mean of exp(E KL(p(y|x) ‖ p(y))) over splits of the samples,
// in their order, and its standard deviation: Salimans et al., "Improved Techniques
// for Training GANs" (arXiv 1606.03498), section 4. The features are a
// classifier's logits.
func InceptionScore(logits Features, splits int) (mean, deviation float64, err error) {
	if splits < 1 || splits > logits.N {
		return 0, 0, fault.Inputf("an Inception score of %d pictures in %d splits: want 1 to %d splits", logits.N, splits, logits.N)
	}
	var scores []float64
	for s := range splits {
		from, to := logits.N*s/splits, logits.N*(s+1)/splits
		scores = append(scores, splitScore(logits, from, to))
		mean += scores[s] / float64(splits)
	}
	for _, v := range scores {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(splits)), nil
}

func splitScore(logits Features, from, to int) float64 {
	marginal := make([]float64, logits.D)
	logs := make([][]float64, 0, to-from)
	for i := from; i < to; i++ {
		l := logSoftmax(logits.Row(i))
		for c, v := range l {
			marginal[c] += math.Exp(v) / float64(to-from)
		}
		logs = append(logs, l)
	}
	var sum float64
	for _, l := range logs {
		for c, v := range l {
			if p := math.Exp(v); p > 0 {
				sum += p * (v - math.Log(marginal[c]))
			}
		}
	}
	return math.Exp(sum / float64(to-from))
}

func logSoftmax(x []float32) []float64 {
	most := math.Inf(-1)
	for _, v := range x {
		most = max(most, float64(v))
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v) - most)
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v) - most - math.Log(sum)
	}
	return out
}

// Shuffled are the features in the order that torch-fidelity gives them before it
// splits them for the Inception score.
func (f Features) Shuffled() Features { return f.pick(newNumpyRandom(2020).permutation(f.N)) }
