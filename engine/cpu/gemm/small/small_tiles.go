package small

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/gemm/plans"
	"github.com/ldm-go/ldm/engine/cpu/isa"
)

const (
	smallPiece = 256  // numbers of a row that are converted at once
	smallTiles = 4    // tiles of 32 rows that are computed at once
	words      = 4096 // in smallPiece numbers of 32 rows
)

// tileMemory is what the products made of tiles need.
type tileMemory struct {
	args    kernels.TileArgs
	out     kernels.PutArgs
	convert kernels.RowsArgs
	offset  int // of the only tap
	moves   [smallTiles]int
	results [smallTiles*kernels.Side + kernels.StoresAhead]uintptr
	acc     [smallTiles * kernels.Side * kernels.Side]float32
	words   [2 * words]uint32 // operands on the way, high and low parts
	zero    [smallPiece]float32
}

// NewSmallTiles returns the products made of a level's bfloat16 tiles, rounded
// or split, whether or not that is the fastest way; NewSmall chooses.
func NewSmallTiles(level isa.Level, split bool) *Small {
	s := &Small{tiled: true, split: split, tiles: kernels.TilesFor(level)}
	s.turn, s.turnLow = kernels.TurnersFor(level)
	s.Attender = kernels.AttenderFor(level, split)
	return s
}

// A left operand has rows [part][k], k rounded up to whole steps with zeros; a
// right one has panels of 32 columns [part][step][half][16 k pairs][16]. The parts are
// the high and, split, the low one.

// smallLanes is k rounded up to whole steps.
func smallLanes(k int) int { return plans.RoundUp(k, kernels.Step) }

// parts is the number of bfloat16 that a number is the sum of.
func (s *Small) parts() int {
	if s.split {
		return 2
	}
	return 1
}

// leftDistance is the number of words of a left operand's row, an odd number of cache
// lines: rows spread over the places of the caches.
func (s *Small) leftDistance(k int) int { return s.parts()*smallLanes(k)/2 | 16 }

func (s *Small) leftTileLen(m, k int) int { return plans.RoundUp(m, kernels.Side) * s.leftDistance(k) }

// panelLen is the number of words of a right operand's panel.
func (s *Small) panelLen(k int) int { return s.parts() * smallLanes(k) / 2 * kernels.Side }

func (s *Small) rightTileLen(n, k int) int { return plans.CeilDiv(n, kernels.Side) * s.panelLen(k) }

// round converts count rows of n numbers, or pairs of rows, lds numbers apart,
// to rows of dst that are ldd words apart; split, their low parts go low words
// further on. Of pairs, skip words lie between each 16 and the next.
func (s *Small) round(by func(*kernels.RowsArgs), dst []uint32, ldd, low, skip int, src []float32, lds, n, count int) {
	if count == 0 {
		return
	}
	s.convert = kernels.RowsArgs{Dst: unsafe.Pointer(&dst[0]), Ldd: ldd * 4, Src: &src[0], Lds: lds * 4, N: n, Count: count, Skip: skip * 4}
	if s.split {
		s.convert.Low = low * 4
	}
	by(&s.convert)
}

// roundPairs converts rows from … from+31 of src [k, ..] to 16 rows of words of
// two, with zeros from row k on. With skip they are tiles, and ldd is 16.
func (s *Small) roundPairs(dst []uint32, ldd, low, skip int, src []float32, lds, n, k, from int) {
	rows := min(kernels.Step, k-from)
	s.round(s.tiles.RowPairs, dst, ldd, low, skip, src[from*lds:], lds, n, rows/2)
	if rows%2 > 0 { // the last row has no neighbour
		for c := 0; c < n; c += 16 {
			at, last := rows/2*ldd+c/16*(16+skip), &src[(from+rows-1)*lds+c]
			s.tiles.Pairs(&dst[at], last, &s.zero[0], min(16, n-c))
			if s.split {
				s.tiles.PairsLow(&dst[at+low], last, &s.zero[0], min(16, n-c))
			}
		}
	}
	for part := range s.parts() {
		clearPairs(dst[part*low:], ldd, skip, n, (rows+1)/2)
	}
}

// clearPairs clears rows of n pairs from one on to the 16th.
func clearPairs(dst []uint32, ldd, skip, n, from int) {
	if from == kernels.Step/2 {
		return
	}
	if skip > 0 {
		for c := 0; c < n; c += 16 {
			clear(dst[c/16*(16+skip):][from*16 : kernels.TileWords])
		}
		return
	}
	for p := from; p < kernels.Step/2; p++ {
		clear(dst[p*ldd:][:n])
	}
}

// leftTiles rounds the rows of a; those that fill up the last tile are not
// written, since a row of the operand makes one row of the result alone.
func (s *Small) leftTiles(memory []float32, m, k int, a []float32, lda int) Left {
	ld, part := s.leftDistance(k), smallLanes(k)
	out := kernels.WordsOf(memory)
	if part > k {
		clear(out[:m*ld])
	}
	s.round(s.tiles.Rows, out, ld, part/2, 0, a, lda, k, m)
	return Left{memory, ld}
}

func (s *Small) rightTiles(packed []float32, trans bool, n, k int, b []float32, ldb int) {
	size := s.panelLen(k)
	out := kernels.WordsOf(packed)
	for first := 0; first < n; first += kernels.Side {
		panel := out[first/kernels.Side*size:][:size]
		if trans {
			s.panelT(panel, min(kernels.Side, n-first), k, b[first*ldb:], ldb)
			continue
		}
		for from := 0; from < k; from += kernels.Step {
			s.roundPairs(panel[from/2*kernels.Side:], 16, size/2, kernels.TileWords-16, b[first:], ldb, min(kernels.Side, n-first), k, from)
		}
	}
}

// panelT packs up to 32 rows of b [n, k].
func (s *Small) panelT(panel []uint32, count, k int, b []float32, ldb int) {
	const distance = smallPiece / 2 // words of a row on the way
	for from := 0; from < k; from += smallPiece {
		n := min(smallPiece, k-from)
		lanes := plans.RoundUp(n, kernels.Step)
		if n < lanes {
			for r := range count {
				for part := range s.parts() {
					end := s.words[part*words+r*distance:]
					clear(end[n/2 : lanes/2])
				}
			}
		}
		s.round(s.tiles.Rows, s.words[:], distance, words, 0, b[from:], ldb, n, count)
		for part := range s.parts() {
			for d := 0; d < lanes/2; d += 16 {
				at, src := panel[part*smallLanes(k)/2*kernels.Side+(from/2+d)*kernels.Side:], s.words[part*words+d:]
				s.tiles.Transpose(&at[0], 64, &src[0], distance*4)
				s.tiles.Transpose(&at[kernels.TileWords], 64, &src[16*distance], distance*4)
			}
		}
	}
}

// describe is what all calls of a product over k have in common.
func (s *Small) describe(k int, left Left) {
	s.args = kernels.TileArgs{
		Lda: left.distance * 4, Offsets: &s.offset, Taps: 1, Steps: smallLanes(k) / kernels.Step,
		Ldb: 64, Second: kernels.TileWords * 4, Next: kernels.Step / 2 * kernels.Side * 4, Acc: &s.acc[0], Moves: &s.moves[0],
	}
	if s.split {
		s.args.LowA, s.args.LowB = smallLanes(k)*2, smallLanes(k)*kernels.Side*2
	}
	for i := range s.moves {
		s.moves[i] = i * kernels.Side * s.args.Lda
	}
}

func (s *Small) mulTiles(m, n, k int, left Left, right []float32, accumulate bool, c []float32, ldc int) {
	size := s.panelLen(k)
	s.describe(k, left)
	s.out = kernels.PutArgs{Acc: &s.acc[0], Rows: &s.results[0], Bias: &s.zero[0]}
	s.args.Put, s.args.Rate = &s.out, 8*kernels.StoresOf(s.args.Steps)
	if accumulate {
		s.out.Add = 1
	}
	for row := 0; row < m; row += smallTiles * kernels.Side {
		s.out.Count = min(smallTiles*kernels.Side, m-row)
		s.args.Count = plans.CeilDiv(s.out.Count, kernels.Side)
		s.args.A = kernels.AddressOf(left.rows[row*left.distance:])
		results := s.results[:s.out.Count]
		for r := range results {
			results[r] = kernels.AddressOf(c[(row+r)*ldc:])
		}
		clear(s.results[s.out.Count:]) // no results of what fills up the last tile
		for first := 0; first < n; first += kernels.Side {
			s.args.B = kernels.AddressOf(right[first/kernels.Side*size:])
			s.out.Mask, s.out.Shift = plans.LowMask(min(kernels.Side, n-first)), uintptr(first*4)
			s.tiles.Tile(&s.args)
		}
	}
}
