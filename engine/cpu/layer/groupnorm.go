package layer

import (
	"math"
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// GroupNorm normalises groups of channels over all pixels of a picture. With SiLU, the
// result is SiLU of the normalised value.
type GroupNorm struct {
	N, P, C, Groups int
	Eps             float32
	SiLU            bool
}

// NormArgs are the operands and the results of a normalisation.
type NormArgs struct {
	X, Y        []float32 // of a group norm [N, P, C], of a layer norm [Rows, C]
	Added       []float32 // [N, C], added to every pixel of a group norm before; nil: nothing
	Gamma, Beta []float32 // [C]
	Stats       []float32 // [N, Groups, 2] or [Rows, 2]: mean and 1/sqrt(var+Eps)
}

// NormGrads are the gradient to Y, and those that are computed from it.
type NormGrads struct{ DY, DX, DGamma, DBeta []float32 }

const (
	normTask  = 1 << 15 // numbers in a task, or more for
	normBlock = 64      // rows, which are summed in float32 before going to float64,
	normTasks = 256     // and for at most so many tasks of a picture
)

// normCut cuts the pixels of one picture into tasks.
type normCut struct {
	g       GroupNorm
	rows    int         // pixels in a task
	count   int         // tasks of a picture
	partial []float64   // both sums of every task
	coef    []float32   // of every picture
	sums    [][]float32 // of every worker: those of a block
	own     []vec.Rows  // of every worker
}

// coefficients of a channel, forward and backward.
const (
	normCoefs     = 2
	normGradCoefs = 4
)

// ScratchLen is the memory that Forward needs, in float32 words.
func (g GroupNorm) ScratchLen(workers int) int { return g.scratchLen(normCoefs, workers) }

// BackwardScratchLen is the memory that Backward needs, in float32 words.
func (g GroupNorm) BackwardScratchLen(workers int) int { return g.scratchLen(normGradCoefs, workers) }

func (g GroupNorm) scratchLen(coefs, workers int) int {
	return g.N*g.C*(4*g.taskCount()+coefs) + max(workers, 1)*g.sumsLen()
}

func (g GroupNorm) taskRows() int { return max(normTask/g.C, normBlock, ceilDiv(g.P, normTasks)) }

func (g GroupNorm) taskCount() int { return ceilDiv(g.P, g.taskRows()) }

// sumsLen is a worker's two sums in whole lines of the cache.
func (g GroupNorm) sumsLen() int { return ceilDiv(2*g.C, 16) * 16 }

// cut divides the scratch memory.
func (g GroupNorm) cut(coefs int, scratch []float32, workers int) *normCut {
	c := &normCut{g: g, rows: g.taskRows(), count: g.taskCount(), own: make([]vec.Rows, max(workers, 1))}
	take := func(n int) []float32 {
		own := scratch[:n]
		scratch = scratch[n:]
		return own
	}
	words := take(g.N * c.count * 4 * g.C)
	c.partial = unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(words))), len(words)/2)
	for range c.own {
		c.sums = append(c.sums, take(g.sumsLen())[:2*g.C])
	}
	c.coef = take(g.N * coefs * g.C)
	return c
}

// span is the share of a [N, P, C] array that belongs to a task.
func (c *normCut) span(x []float32, task int) []float32 {
	n, k := task/c.count, task%c.count
	from, to := k*c.rows, min((k+1)*c.rows, c.g.P)
	return x[(n*c.g.P+from)*c.g.C : (n*c.g.P+to)*c.g.C]
}

// accumulate adds up two sums per channel over a task's pixels: in float32
// over blocks of rows by add, in float64 over the blocks.
func (c *normCut) accumulate(task, worker, length int, add func(from, to int, a, b []float32)) {
	sums := c.sums[worker]
	partial := c.partial[task*2*c.g.C:][:2*c.g.C]
	clear(partial)
	block := normBlock * c.g.C
	for from := 0; from < length; from += block {
		clear(sums)
		add(from, min(from+block, length), sums[:c.g.C], sums[c.g.C:])
		for i, v := range sums {
			partial[i] += float64(v)
		}
	}
}

// addUp adds the sums of all tasks of picture n to those of its first.
func (c *normCut) addUp(n int) {
	size := 2 * c.g.C
	partial := c.partial[n*c.count*size:][:c.count*size]
	all := partial[:size]
	for len(partial) > size {
		partial = partial[size:]
		for i, v := range partial[:size] {
			all[i] += v
		}
	}
}

// totals are both sums of picture n for every channel, when its tasks are added up.
func (c *normCut) totals(n int) (a, b []float64) {
	partial := c.partial[n*c.count*2*c.g.C:]
	return partial[:c.g.C], partial[c.g.C : 2*c.g.C]
}

// Forward computes Y and Stats.
func (g GroupNorm) Forward(x NormArgs, scratch []float32, workers int) []par.Phase {
	c := g.cut(normCoefs, scratch, workers)
	return append(c.moments(x, c.coef), par.Phase{
		Name: "normalise", Tasks: g.N * c.count, Run: func(task, worker int) {
			coef := c.coef[task/c.count*2*g.C:]
			rows := &c.own[worker]
			if g.SiLU {
				rows.AffineSiLU(c.span(x.Y, task), c.span(x.X, task), coef[:g.C], x.Beta, coef[g.C:2*g.C])
			} else {
				rows.Affine(c.span(x.Y, task), c.span(x.X, task), coef[:g.C], x.Beta, coef[g.C:2*g.C])
			}
		},
	})
}

// CoefLen is the size of the coefficients of all pictures.
func (g GroupNorm) CoefLen() int { return g.N * normCoefs * g.C }

// Coefficients computes those of y = (x-mean)·a + beta, before SiLU, for whoever
// normalises x as he reads it: coef [N, 2, C] is a, then mean.
func (g GroupNorm) Coefficients(x NormArgs, coef, scratch []float32, workers int) []par.Phase {
	c := g.cut(normCoefs, scratch, workers)
	x.Stats = c.coef // which is free
	return c.moments(x, coef)
}

// moments computes x.Stats and coef. The squares are summed around the picture's
// first pixel, so that a large mean costs no precision. What is added to a channel
// moves its mean alone: the sum is never made.
func (c *normCut) moments(x NormArgs, coef []float32) []par.Phase {
	g := c.g
	return []par.Phase{
		{Name: "moments", Tasks: g.N * c.count, Run: func(task, worker int) {
			span := c.span(x.X, task)
			shift := x.X[task/c.count*g.P*g.C:][:g.C]
			c.accumulate(task, worker, len(span), func(from, to int, sum, square []float32) {
				c.own[worker].Moments(span[from:to], shift, sum, square)
			})
		}},
		{Name: "statistics", Tasks: g.N, Run: func(n, _ int) {
			stats, added := x.Stats[n*g.Groups*2:], g.added(x.Added, n)
			c.statistics(n, x.X[n*g.P*g.C:], added, stats)
			g.coefficients(stats, added, x.Gamma, coef[n*normCoefs*g.C:])
		}},
	}
}

// added is the partial of e that belongs to picture n.
func (g GroupNorm) added(e []float32, n int) []float32 {
	if e == nil {
		return nil
	}
	return e[n*g.C:][:g.C]
}

// statistics of picture n from its channels' sums around shift.
func (c *normCut) statistics(n int, shift, e, stats []float32) {
	g := c.g
	size := g.C / g.Groups
	count := float64(size * g.P)
	c.addUp(n)
	sums, squares := c.totals(n)
	for group := range g.Groups {
		var sum, square float64
		for ch := group * size; ch < (group+1)*size; ch++ {
			k := float64(shift[ch])
			if e != nil {
				k += float64(e[ch])
			}
			sum += sums[ch] + k*float64(g.P)
			square += squares[ch] + 2*k*sums[ch] + k*k*float64(g.P)
		}
		mean := sum / count
		variance := square/count - mean*mean
		stats[2*group] = float32(mean)
		stats[2*group+1] = float32(1 / math.Sqrt(max(variance, 0)+float64(g.Eps)))
	}
}

// coefficients of y = (x-mean)·a + beta for each channel, a then mean, from which
// e is taken.
func (g GroupNorm) coefficients(stats, e, gamma, coef []float32) {
	size := g.C / g.Groups
	for ch := range g.C {
		mean, rstd := stats[ch/size*2], stats[ch/size*2+1]
		coef[ch] = rstd * gamma[ch]
		coef[g.C+ch] = mean
		if e != nil {
			coef[g.C+ch] = mean - e[ch]
		}
	}
}

// Backward computes DX, DGamma and DBeta from X, Added, Gamma, Beta and Stats. With x̂ the normalised x and d the
// gradient behind the affine map,
//
//	dbeta = Σ d,  dgamma = Σ d·x̂,
//	dx = rstd·(gamma·d - mean(gamma·d) - x̂·mean(gamma·d·x̂))
//
// where the means are over a group. DX may be neither X nor DY.
func (g GroupNorm) Backward(x NormArgs, d NormGrads, scratch []float32, workers int) []par.Phase {
	c := g.cut(normGradCoefs, scratch, workers)
	return []par.Phase{
		{Name: "coefficients", Tasks: g.N, Run: func(n, _ int) {
			coef := c.coef[n*4*g.C:]
			g.coefficients(x.Stats[n*g.Groups*2:], g.added(x.Added, n), x.Gamma, coef)
			size := g.C / g.Groups
			for ch := range g.C {
				coef[2*g.C+ch] = x.Stats[(n*g.Groups+ch/size)*2+1]
			}
		}},
		{Name: "sums", Tasks: g.N * c.count, Run: func(task, worker int) {
			coef := c.coef[task/c.count*4*g.C:]
			norm := vec.ChannelNorm{A: coef[:g.C], B: x.Beta, Mean: coef[g.C : 2*g.C], RStd: coef[2*g.C : 3*g.C]}
			xs, dys, ds := c.span(x.X, task), c.span(d.DY, task), c.span(d.DX, task)
			rows := &c.own[worker]
			c.accumulate(task, worker, len(xs), func(i, j int, sum, dot []float32) {
				if g.SiLU {
					rows.NormSiLUBack(ds[i:j], xs[i:j], dys[i:j], norm, sum, dot)
				} else {
					rows.NormBack(ds[i:j], xs[i:j], dys[i:j], norm, sum, dot)
				}
			})
		}},
		{Name: "means", Tasks: g.N, Run: func(n, _ int) { c.means(n, x.Gamma) }},
		{Name: "gradient", Tasks: g.N * c.count, Run: func(task, worker int) {
			coef := c.coef[task/c.count*4*g.C:]
			c.own[worker].Combine(c.span(d.DX, task), c.span(x.X, task), coef[:g.C], coef[3*g.C:4*g.C], coef[2*g.C:3*g.C], coef[g.C:2*g.C])
		}},
		par.Serial("parameters", func() {
			for ch := range g.C {
				var sum, dot float64
				for n := range g.N {
					a, b := c.totals(n)
					sum, dot = sum+a[ch], dot+b[ch]
				}
				d.DBeta[ch], d.DGamma[ch] = float32(sum), float32(dot)
			}
		}),
	}
}

// means replaces the coefficients of picture n by those of
// dx = d·p + (x-mean)·q + w: p, mean, w, q.
func (c *normCut) means(n int, gamma []float32) {
	g := c.g
	size := g.C / g.Groups
	coef := c.coef[n*4*g.C:]
	c.addUp(n)
	sums, dots := c.totals(n)
	for group := range g.Groups {
		var m1, m2 float64
		for ch := group * size; ch < (group+1)*size; ch++ {
			m1 += float64(gamma[ch]) * sums[ch]
			m2 += float64(gamma[ch]) * dots[ch]
		}
		count := float64(size * g.P)
		m1, m2 = m1/count, m2/count
		for ch := group * size; ch < (group+1)*size; ch++ {
			rstd := float64(coef[2*g.C+ch])
			coef[ch] = float32(rstd * float64(gamma[ch]))
			coef[2*g.C+ch] = float32(-rstd * m1)
			coef[3*g.C+ch] = float32(-rstd * m2 * rstd)
		}
	}
}
