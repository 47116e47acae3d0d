package gemm

import (
	"fmt"
	"math"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/small"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// attendCase is an attention of rows queries to two blocks of 64 keys and one of
// last; the keys from the 40th on are growth times as large.
type attendCase struct {
	rows, d, last int
	growth        float32
}

// run computes the rows of y, top and total.
func (c attendCase) run(s *small.Small) (y, top, total []float32) {
	const keys = 64
	q, k, v := random(c.rows*c.d, 1), random((2*keys+c.last)*c.d, 2), random((2*keys+c.last)*c.d, 3)
	for i := range k[40*c.d:] {
		k[40*c.d+i] *= c.growth
	}
	words := s.KeysLen(c.d, keys)
	block := words + s.ValuesLen(c.d, keys)
	packed := dirty(3 * block)
	for b := range 3 {
		count := keys
		if b == 2 {
			count = c.last
		}
		s.Keys(packed[b*block:], vec.Matrix{X: k[b*keys*c.d:], Rows: count, Cols: c.d, Stride: c.d})
		s.Values(packed[b*block+words:], vec.Matrix{X: v[b*keys*c.d:], Rows: count, Cols: c.d, Stride: c.d})
	}
	by := &vec.Softmax{Top: make([]float32, kernels.Queries), Total: make([]float32, kernels.Queries), Shrink: make([]float32, kernels.Queries)}
	all := s.NewQueries(dirty(s.QueriesLen(c.d)), dirty(s.ScoresLen()), c.d)
	s.Begin(&all, 1/float32(math.Sqrt(float64(c.d))), vec.Matrix{X: q, Rows: c.rows, Cols: c.d, Stride: c.d})
	s.Attend(&all, by, small.KeyBlocks{Packed: packed, Count: 2, Keys: keys, Stride: block, Values: words})
	s.Attend(&all, by, small.KeyBlocks{Packed: packed[2*block:], Count: 1, Keys: c.last, Stride: block, Values: words})
	y = make([]float32, c.rows*c.d)
	s.Finish(&all, by, y, c.d)
	return y, by.Top[:c.rows], by.Total[:c.rows]
}

// TestAttend holds the assembly against its twin, where tops stay and where sums
// become too large for them.
func TestAttend(t *testing.T) {
	if !isa.Current().Has(isa.AMX) {
		t.Skip("needs tiles")
	}
	for split, tol := range map[bool]float64{false: 1e-2, true: 3e-5} {
		for _, c := range []attendCase{{32, 40, 64, 1}, {1, 8, 1, 1}, {17, 32, 33, 1}, {32, 80, 13, 1}, {9, 160, 40, 1}, {32, 64, 64, 100}, {20, 128, 31, 300}} {
			what := fmt.Sprintf("split %v %+v", split, c)
			y, top, total := c.run(small.NewSmallTiles(isa.AMX, split))
			wantY, wantTop, wantTotal := c.run(small.NewSmallTiles(isa.Portable, split))
			near := func(part string, got, want, scale float64) {
				if !(math.Abs(got-want) <= tol*scale) {
					t.Errorf("%s: %s is %g, want %g", what, part, got, want)
				}
			}
			for i := range y {
				near("y", float64(y[i]), float64(wantY[i]), max(float64(c.growth)/20, 1)) // as scores err
			}
			for r := range top {
				near("top", float64(top[r]), float64(wantTop[r]), float64(c.growth))
				near("log total", math.Log(float64(total[r])), math.Log(float64(wantTotal[r])), float64(c.growth))
			}
		}
	}
}
