package vec

import "unsafe"

// rowArgs describes an operation on rows of c channels in which every channel
// has numbers of its own. The assembly knows the offsets of the fields.
type rowArgs struct {
	rows, c                int      // 0, 8
	x, y, d                *float32 // 16, 24, 32: [rows][c]
	p0, p1, p2, p3, p4, p5 *float32 // 40, 48, 56, 64, 72, 80: [c]
}

// Rows is the memory of one caller of row operations, so that they need none
// of their own.
type Rows struct{ args rowArgs }

func first(x []float32) *float32 { return unsafe.SliceData(x) }

func (r *Rows) run(fn, c int, x []float32) {
	if c == 0 || len(x) == 0 {
		return
	}
	r.args.rows, r.args.c = len(x)/c, c
	use.rows[fn](&r.args)
}

// Affine is y = (x-mean)·a + b for rows of len(a) channels.
func (r *Rows) Affine(y, x, a, b, mean []float32) {
	r.args = rowArgs{x: first(x), y: first(y), p0: first(a), p1: first(b), p2: first(mean)}
	r.run(fnAffineRows, len(a), x)
}

// AffineSiLU is y = SiLU((x-mean)·a + b).
func (r *Rows) AffineSiLU(y, x, a, b, mean []float32) {
	r.args = rowArgs{x: first(x), y: first(y), p0: first(a), p1: first(b), p2: first(mean)}
	r.run(fnAffineSiLURows, len(a), x)
}

// Moments adds up, for every channel, x-shift in sum and its square in square.
// For long arrays call it on blocks, as the sums are float32.
func (r *Rows) Moments(x, shift, sum, square []float32) {
	r.args = rowArgs{x: first(x), p0: first(shift), p1: first(sum), p2: first(square)}
	r.run(fnMomentsRows, len(shift), x)
}

// Sum adds the rows of x to sum.
func (r *Rows) Sum(x, sum []float32) {
	r.args = rowArgs{x: first(x), p0: first(sum)}
	r.run(fnSumRows, len(sum), x)
}

// ChannelNorm is the normalisation of every channel, whose gradient is computed:
// (x-Mean)·A + B with A = gamma·RStd. A and B matter to NormSiLUBack alone.
type ChannelNorm struct{ A, B, RStd, Mean []float32 }

// NormBack is the first pass of a normalisation's gradient: with the
// normalised x̂ = (x-Mean)·RStd it copies dy to d, adds it up in sum, and
// dy·x̂ in dot.
func (r *Rows) NormBack(d, x, dy []float32, n ChannelNorm, sum, dot []float32) {
	r.args = rowArgs{x: first(x), y: first(d), d: first(dy), p2: first(n.RStd), p3: first(n.Mean), p4: first(sum), p5: first(dot)}
	r.run(fnNormBackRows, len(n.RStd), x)
}

// NormSiLUBack is NormBack behind a SiLU: d is dy·SiLU'((x-Mean)·A + B).
func (r *Rows) NormSiLUBack(d, x, dy []float32, n ChannelNorm, sum, dot []float32) {
	r.args = rowArgs{
		x: first(x), y: first(d), d: first(dy), p0: first(n.A), p1: first(n.B),
		p2: first(n.RStd), p3: first(n.Mean), p4: first(sum), p5: first(dot),
	}
	r.run(fnNormSiLUBackRows, len(n.RStd), x)
}

// Combine is y = y·a + (x-mean)·b + c.
func (r *Rows) Combine(y, x, a, b, c, mean []float32) {
	r.args = rowArgs{x: first(x), y: first(y), p0: first(a), p1: first(b), p2: first(c), p3: first(mean)}
	r.run(fnCombineRows, len(a), x)
}
