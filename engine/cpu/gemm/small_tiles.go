package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/isa"
)

const (
	smallPiece = 256  // numbers of a row that are converted at once
	smallTiles = 4    // tiles of 32 rows that are computed at once
	words      = 4096 // in smallPiece numbers of 32 rows
)

// tileMemory is what the products made of tiles need.
type tileMemory struct {
	args    tileArgs
	out     putArgs
	convert rowsArgs
	offset  int // of the only tap
	moves   [smallTiles]int
	results [smallTiles*side + storesAhead]uintptr
	acc     [smallTiles * side * side]float32
	words   [2 * words]uint32 // operands on the way, high and low parts
	zero    [smallPiece]float32
}

// NewSmallTiles returns the products made of a level's bfloat16 tiles, rounded
// or split, whether or not that is the fastest way; NewSmall chooses.
func NewSmallTiles(level isa.Level, split bool) *Small {
	s := &Small{tiled: true, split: split, tiles: tilesFor(level)}
	s.turn, s.turnLow = turnersFor(level)
	s.attender = attenderFor(level, split)
	return s
}

// A left operand has rows [part][k], k rounded up to whole steps with zeros; a
// right one has panels of 32 columns [part][step][half][16 k pairs][16]. The parts are
// the high and, split, the low one.

// smallLanes is k rounded up to whole steps.
func smallLanes(k int) int { return roundUp(k, step) }

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

func (s *Small) leftTileLen(m, k int) int { return roundUp(m, side) * s.leftDistance(k) }

// panelLen is the number of words of a right operand's panel.
func (s *Small) panelLen(k int) int { return s.parts() * smallLanes(k) / 2 * side }

func (s *Small) rightTileLen(n, k int) int { return ceilDiv(n, side) * s.panelLen(k) }

// wordsOf views memory as words of two bfloat16.
func wordsOf(x []float32) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}

// round converts count rows of n numbers, or pairs of rows, lds numbers apart,
// to rows of dst that are ldd words apart; split, their low parts go low words
// further on. Of pairs, skip words lie between each 16 and the next.
func (s *Small) round(by func(*rowsArgs), dst []uint32, ldd, low, skip int, src []float32, lds, n, count int) {
	if count == 0 {
		return
	}
	s.convert = rowsArgs{dst: unsafe.Pointer(&dst[0]), ldd: ldd * 4, src: &src[0], lds: lds * 4, n: n, count: count, skip: skip * 4}
	if s.split {
		s.convert.low = low * 4
	}
	by(&s.convert)
}

// roundPairs converts rows from … from+31 of src [k, ..] to 16 rows of words of
// two, with zeros from row k on. With skip they are tiles, and ldd is 16.
func (s *Small) roundPairs(dst []uint32, ldd, low, skip int, src []float32, lds, n, k, from int) {
	rows := min(step, k-from)
	s.round(s.rowPairs, dst, ldd, low, skip, src[from*lds:], lds, n, rows/2)
	if rows%2 > 0 { // the last row has no neighbour
		for c := 0; c < n; c += 16 {
			at, last := rows/2*ldd+c/16*(16+skip), &src[(from+rows-1)*lds+c]
			s.pairs(&dst[at], last, &s.zero[0], min(16, n-c))
			if s.split {
				s.pairsLow(&dst[at+low], last, &s.zero[0], min(16, n-c))
			}
		}
	}
	for part := range s.parts() {
		clearPairs(dst[part*low:], ldd, skip, n, (rows+1)/2)
	}
}

// clearPairs clears rows of n pairs from one on to the 16th.
func clearPairs(dst []uint32, ldd, skip, n, from int) {
	if from == step/2 {
		return
	}
	if skip > 0 {
		for c := 0; c < n; c += 16 {
			clear(dst[c/16*(16+skip):][from*16 : tileWords])
		}
		return
	}
	for p := from; p < step/2; p++ {
		clear(dst[p*ldd:][:n])
	}
}

// leftTiles rounds the rows of a; those that fill up the last tile are not
// written, since a row of the operand makes one row of the result alone.
func (s *Small) leftTiles(memory []float32, m, k int, a []float32, lda int) Left {
	ld, part := s.leftDistance(k), smallLanes(k)
	out := wordsOf(memory)
	if part > k {
		clear(out[:m*ld])
	}
	s.round(s.rows, out, ld, part/2, 0, a, lda, k, m)
	return Left{memory, ld}
}

func (s *Small) rightTiles(packed []float32, trans bool, n, k int, b []float32, ldb int) {
	size := s.panelLen(k)
	out := wordsOf(packed)
	for first := 0; first < n; first += side {
		panel := out[first/side*size:][:size]
		if trans {
			s.panelT(panel, min(side, n-first), k, b[first*ldb:], ldb)
			continue
		}
		for from := 0; from < k; from += step {
			s.roundPairs(panel[from/2*side:], 16, size/2, tileWords-16, b[first:], ldb, min(side, n-first), k, from)
		}
	}
}

// panelT packs up to 32 rows of b [n, k].
func (s *Small) panelT(panel []uint32, count, k int, b []float32, ldb int) {
	const distance = smallPiece / 2 // words of a row on the way
	for from := 0; from < k; from += smallPiece {
		n := min(smallPiece, k-from)
		lanes := roundUp(n, step)
		if n < lanes {
			for r := range count {
				for part := range s.parts() {
					end := s.words[part*words+r*distance:]
					clear(end[n/2 : lanes/2])
				}
			}
		}
		s.round(s.rows, s.words[:], distance, words, 0, b[from:], ldb, n, count)
		for part := range s.parts() {
			for d := 0; d < lanes/2; d += 16 {
				at, src := panel[part*smallLanes(k)/2*side+(from/2+d)*side:], s.words[part*words+d:]
				s.transpose(&at[0], 64, &src[0], distance*4)
				s.transpose(&at[tileWords], 64, &src[16*distance], distance*4)
			}
		}
	}
}

// describe is what all calls of a product over k have in common.
func (s *Small) describe(k int, left Left) {
	s.args = tileArgs{
		lda: left.distance * 4, offsets: &s.offset, taps: 1, steps: smallLanes(k) / step,
		ldb: 64, second: tileWords * 4, next: step / 2 * side * 4, acc: &s.acc[0], moves: &s.moves[0],
	}
	if s.split {
		s.args.lowA, s.args.lowB = smallLanes(k)*2, smallLanes(k)*side*2
	}
	for i := range s.moves {
		s.moves[i] = i * side * s.args.lda
	}
}

func (s *Small) mulTiles(m, n, k int, left Left, right []float32, accumulate bool, c []float32, ldc int) {
	size := s.panelLen(k)
	s.describe(k, left)
	s.out = putArgs{acc: &s.acc[0], rows: &s.results[0], bias: &s.zero[0]}
	s.args.put, s.args.rate = &s.out, 8*storesOf(s.args.steps)
	if accumulate {
		s.out.add = 1
	}
	for row := 0; row < m; row += smallTiles * side {
		s.out.count = min(smallTiles*side, m-row)
		s.args.count = ceilDiv(s.out.count, side)
		s.args.a = addressOf(left.rows[row*left.distance:])
		results := s.results[:s.out.count]
		for r := range results {
			results[r] = addressOf(c[(row+r)*ldc:])
		}
		clear(s.results[s.out.count:]) // no results of what fills up the last tile
		for first := 0; first < n; first += side {
			s.args.b = addressOf(right[first/side*size:])
			s.out.mask, s.out.shift = lowMask(min(side, n-first)), uintptr(first*4)
			s.tile(&s.args)
		}
	}
}
