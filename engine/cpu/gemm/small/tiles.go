package small

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

const (
	colsAtOnce  = 256  // numbers of a row that are converted at once
	tilesAtOnce = 4    // tiles of 32 rows that are computed at once
	words       = 4096 // in colsAtOnce numbers of 32 rows
)

// tileMemory is what the products made of tiles need.
type tileMemory struct {
	args    kernels.TileArgs
	out     kernels.PutArgs
	convert kernels.RowsArgs
	offset  int // of the only tap
	moves   [tilesAtOnce]int
	results [tilesAtOnce*kernels.Side + kernels.StoresAhead]uintptr
	acc     [tilesAtOnce * kernels.Side * kernels.Side]float32
	words   [2 * words]uint32 // operands on the way, high and low parts
	zero    [colsAtOnce]float32
}

// NewSmallTiles returns the products made of a level's bfloat16 tiles, rounded
// or split, whether or not that is the fastest way; NewSmall chooses.
func NewSmallTiles(level isa.Level, split bool) *Small {
	s := &Small{tiled: true, split: split, tiles: kernels.TilesFor(level)}
	s.turn, s.turnLow = kernels.TurnersFor(level)
	s.Attender = kernels.AttenderFor(level, split)
	return s
}

// A left operand has rows [high, low][k], k rounded up to whole steps with zeros; a
// right one has panels of 32 columns [high, low][step][half][16 k pairs][16]. Split numbers
// alone have low parts.

// smallLanes is k rounded up to whole steps.
func smallLanes(k int) int { return plans.RoundUp(k, kernels.Step) }

// parts is the number of bfloat16 that a number is the sum of.
func (s *Small) parts() int {
	if s.split {
		return 2
	}
	return 1
}

// leftStride is the number of words of a left operand's row, an odd number of cache
// lines: rows spread over the sets of the caches.
func (s *Small) leftStride(k int) int { return s.parts()*smallLanes(k)/2 | 16 }

func (s *Small) leftTileLen(m, k int) int { return plans.RoundUp(m, kernels.Side) * s.leftStride(k) }

// panelLen is the number of words of a right operand's panel.
func (s *Small) panelLen(k int) int { return s.parts() * smallLanes(k) / 2 * kernels.Side }

func (s *Small) rightTileLen(n, k int) int { return plans.CeilDiv(n, kernels.Side) * s.panelLen(k) }

// rounded is where numbers go as bfloat16, in words of two: their rows are stride words
// apart, and the low parts, if there are any, low words behind the high ones. Of pairs of
// rows, skip words lie between each 16 and the next: with them they are tiles, and stride
// is 16.
type rounded struct {
	words             []uint32
	stride, low, skip int
}

// round converts the rows of src, or pairs of them, of which it then has the even ones.
func (s *Small) round(by func(*kernels.RowsArgs), dst rounded, src vec.Matrix) {
	if src.Rows == 0 {
		return
	}
	s.convert = kernels.RowsArgs{
		Dst: unsafe.Pointer(&dst.words[0]), Ldd: dst.stride * 4, Src: &src.X[0], Lds: src.Stride * 4,
		N: src.Cols, Count: src.Rows, Skip: dst.skip * 4,
	}
	if s.split {
		s.convert.Low = dst.low * 4
	}
	by(&s.convert)
}

// roundPairs converts rows from … from+31 of src to 16 rows of words of two, with zeros
// behind the last.
func (s *Small) roundPairs(dst rounded, src vec.Matrix, from int) {
	src = src.From(from, kernels.Step)
	rows, n := src.Rows, src.Cols
	src.Rows = rows / 2
	s.round(s.tiles.RowPairs, dst, src)
	if rows%2 > 0 { // the last row has no neighbour
		for c := 0; c < n; c += 16 {
			at, last := rows/2*dst.stride+c/16*(16+dst.skip), &src.X[(rows-1)*src.Stride+c]
			s.tiles.Pairs(&dst.words[at], last, &s.zero[0], min(16, n-c))
			if s.split {
				s.tiles.PairsLow(&dst.words[at+dst.low], last, &s.zero[0], min(16, n-c))
			}
		}
	}
	for part := range s.parts() {
		dst.clearPairs(part, n, (rows+1)/2)
	}
}

// clearPairs clears rows of n pairs of the high or low parts, from one on to the 16th.
func (d *rounded) clearPairs(part, n, from int) {
	if from == kernels.Step/2 {
		return
	}
	dst := d.words[part*d.low:]
	if d.skip > 0 {
		for c := 0; c < n; c += 16 {
			clear(dst[c/16*(16+d.skip):][from*16 : kernels.TileWords])
		}
		return
	}
	for p := from; p < kernels.Step/2; p++ {
		clear(dst[p*d.stride:][:n])
	}
}

// leftTiles rounds the rows of a; those that fill up the last tile are not
// written, since a row of the operand makes one row of the result alone.
func (s *Small) leftTiles(memory []float32, a vec.Matrix) Left {
	ld, part := s.leftStride(a.Cols), smallLanes(a.Cols)
	out := kernels.WordsOf(memory)
	if part > a.Cols {
		clear(out[:a.Rows*ld])
	}
	s.round(s.tiles.Rows, rounded{words: out, stride: ld, low: part / 2}, a)
	return Left{memory, ld, a.Cols}
}

// rightTiles packs b [k, n].
func (s *Small) rightTiles(packed []float32, b vec.Matrix) {
	size := s.panelLen(b.Rows)
	out := kernels.WordsOf(packed)
	for first := 0; first < b.Cols; first += kernels.Side {
		panel := out[first/kernels.Side*size:][:size]
		columns := vec.Matrix{X: b.X[first:], Rows: b.Rows, Cols: min(kernels.Side, b.Cols-first), Stride: b.Stride}
		for from := 0; from < b.Rows; from += kernels.Step {
			s.roundPairs(rounded{panel[from/2*kernels.Side:], 16, size / 2, kernels.TileWords - 16}, columns, from)
		}
	}
}

// rightTilesT packs the transpose of b [n, k].
func (s *Small) rightTilesT(packed []float32, b vec.Matrix) {
	size := s.panelLen(b.Cols)
	out := kernels.WordsOf(packed)
	for first := 0; first < b.Rows; first += kernels.Side {
		s.panelT(out[first/kernels.Side*size:][:size], b.From(first, kernels.Side))
	}
}

// panelT packs up to 32 rows of b [n, k].
func (s *Small) panelT(panel []uint32, b vec.Matrix) {
	const stride = colsAtOnce / 2 // words of a row on the way
	k := b.Cols
	for from := 0; from < k; from += colsAtOnce {
		n := min(colsAtOnce, k-from)
		lanes := plans.RoundUp(n, kernels.Step)
		if n < lanes {
			for r := range b.Rows {
				for part := range s.parts() {
					end := s.words[part*words+r*stride:]
					clear(end[n/2 : lanes/2])
				}
			}
		}
		columns := vec.Matrix{X: b.X[from:], Rows: b.Rows, Cols: n, Stride: b.Stride}
		s.round(s.tiles.Rows, rounded{words: s.words[:], stride: stride, low: words}, columns)
		for part := range s.parts() {
			for d := 0; d < lanes/2; d += 16 {
				at, src := panel[part*smallLanes(k)/2*kernels.Side+(from/2+d)*kernels.Side:], s.words[part*words+d:]
				s.tiles.Transpose(&at[0], 64, &src[0], stride*4)
				s.tiles.Transpose(&at[kernels.TileWords], 64, &src[16*stride], stride*4)
			}
		}
	}
}

// describe is what all calls of a product have in common.
func (s *Small) describe(left Left) {
	k := left.depth
	s.args = kernels.TileArgs{
		Lda: left.stride * 4, Offsets: &s.offset, Taps: 1, Steps: smallLanes(k) / kernels.Step,
		Ldb: 64, Second: kernels.TileWords * 4, Next: kernels.Step / 2 * kernels.Side * 4, Acc: &s.acc[0], Moves: &s.moves[0],
	}
	if s.split {
		s.args.LowA, s.args.LowB = smallLanes(k)*2, smallLanes(k)*kernels.Side*2
	}
	for i := range s.moves {
		s.moves[i] = i * kernels.Side * s.args.Lda
	}
}

func (s *Small) mulTiles(c vec.Matrix, left Left, right []float32, accumulate bool) {
	size := s.panelLen(left.depth)
	s.describe(left)
	s.out = kernels.PutArgs{Acc: &s.acc[0], Rows: &s.results[0], Bias: &s.zero[0]}
	s.args.Put, s.args.Rate = &s.out, 8*kernels.StoresOf(s.args.Steps)
	if accumulate {
		s.out.Add = 1
	}
	for row := 0; row < c.Rows; row += tilesAtOnce * kernels.Side {
		s.out.Count = min(tilesAtOnce*kernels.Side, c.Rows-row)
		s.args.Count = plans.CeilDiv(s.out.Count, kernels.Side)
		s.args.A = kernels.AddressOf(left.rows[row*left.stride:])
		results := s.results[:s.out.Count]
		for r := range results {
			results[r] = kernels.AddressOf(c.X[(row+r)*c.Stride:])
		}
		clear(s.results[s.out.Count:]) // no results of what fills up the last tile
		for first := 0; first < c.Cols; first += kernels.Side {
			s.args.B = kernels.AddressOf(right[first/kernels.Side*size:])
			s.out.Mask, s.out.Shift = plans.LowMask(min(kernels.Side, c.Cols-first)), uintptr(first*4)
			s.tiles.Tile(&s.args)
		}
	}
}
