package layer

import (
	"cmp"
	"math"
	"slices"

	"github.com/ldm-go/ldm/engine/cpu/gemm"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
)

// MatchTokens is graph.MatchTokens of N pictures. The similarities are products of float32
// whatever the program's precision, so that no rounding of theirs decides what is merged;
// only a block of them exists at a time.
type MatchTokens struct{ N, H, W, C, Merged, Top, Left int }

// tokenBlock is the number of tokens that a task compares with all destinations.
const tokenBlock = 64

// tokenTargets is the number of destinations whose similarities exist together.
const tokenTargets = 256

func (op MatchTokens) targets() int { return op.H * op.W / 4 }
func (op MatchTokens) sources() int { return op.H * op.W / 4 * 3 }

// matchWorker is the memory of one worker.
type matchWorker struct {
	small              *gemm.Small
	rows, left, scores []float32
}

// divide cuts the memory of the workers, of the packed destinations of all pictures, and of
// what each source found: its similarity, and the number of the destination.
func (op MatchTokens) divide(m *memory, workers int) (own []matchWorker, packed, likeness, found []float32) {
	small := gemm.NewSmall(gemm.F32)
	own = make([]matchWorker, max(workers, 1))
	for i := range own {
		own[i] = matchWorker{
			gemm.NewSmall(gemm.F32), m.take(tokenBlock * op.C), m.take(small.LeftLen(tokenBlock, op.C)), m.take(tokenBlock * tokenTargets),
		}
	}
	return own, m.take(op.N * small.RightLen(op.targets(), op.C)), m.take(op.N * op.sources()), m.take(op.N * op.sources())
}

// ScratchLen is the number of words of scratch memory that so many workers need.
func (op MatchTokens) ScratchLen(workers int) int {
	var m memory
	op.divide(&m, workers)
	return m.used
}

// Forward writes the places of tokens x.
func (op MatchTokens) Forward(x []float32, place []int32, scratch []float32, workers int) []par.Phase {
	own, packed, likeness, found := op.divide(&memory{words: scratch}, workers)
	sources, targets := op.parts()
	perPicture := own[0].small.RightLen(op.targets(), op.C)
	order := make([]int32, op.N*op.sources())
	targetBlocks, sourceBlocks := ceilDiv(op.targets(), tokenBlock), ceilDiv(op.sources(), tokenBlock)
	return []par.Phase{
		{Name: "token targets", Tasks: op.N * targetBlocks, Run: func(task, worker int) {
			n, from := task/targetBlocks, task%targetBlocks*tokenBlock
			w, list := &own[worker], targets[from:min(from+tokenBlock, len(targets))]
			op.directions(w.rows, x, n, list)
			w.small.RightT(packed[n*perPicture+w.small.RightLen(from, op.C):], op.tokens(w.rows, len(list)))
		}},
		{Name: "token matches", Tasks: op.N * sourceBlocks, Run: func(task, worker int) {
			n, from := task/sourceBlocks, task%sourceBlocks*tokenBlock
			w, list := &own[worker], sources[from:min(from+tokenBlock, len(sources))]
			op.directions(w.rows, x, n, list)
			at := n*op.sources() + from
			op.nearest(w, packed[n*perPicture:], likeness[at:][:len(list)], found[at:][:len(list)])
		}},
		{Name: "token places", Tasks: op.N, Run: func(n, _ int) {
			s, all := op.sources(), op.H*op.W
			op.settle(place[n*all:][:all], order[n*s:][:s], likeness[n*s:][:s], found[n*s:][:s], sources, targets)
		}},
	}
}

// parts lists the sources and the destinations of a grid, in its order.
func (op MatchTokens) parts() (sources, targets []int) {
	for i := range op.H * op.W {
		if i/op.W%2 == op.Top && i%op.W%2 == op.Left {
			targets = append(targets, i)
		} else {
			sources = append(sources, i)
		}
	}
	return sources, targets
}

// directions writes some tokens of a picture, divided by their lengths, to rows.
func (op MatchTokens) directions(rows, x []float32, n int, list []int) {
	for k, i := range list {
		token, row := x[(n*op.H*op.W+i)*op.C:][:op.C], rows[k*op.C:][:op.C]
		length := math.Sqrt(vec.SquaredNorm(token))
		vec.Affine(row, token, float32(1/max(length, 1e-12)), 0)
	}
}

// tokens are so many tokens, one behind the other.
func (op MatchTokens) tokens(x []float32, rows int) vec.Matrix {
	return vec.Matrix{X: x, Rows: rows, Cols: op.C, Stride: op.C}
}

// nearest finds the most similar destination of each row.
func (op MatchTokens) nearest(w *matchWorker, packed, likeness, found []float32) {
	rows := len(likeness)
	left := w.small.Left(w.left, op.tokens(w.rows, rows))
	for from := 0; from < op.targets(); from += tokenTargets {
		count := min(tokenTargets, op.targets()-from)
		scores := vec.Matrix{X: w.scores, Rows: rows, Cols: count, Stride: tokenTargets}
		w.small.Mul(scores, left, packed[w.small.RightLen(from, op.C):], false)
		for r := range rows {
			scores := w.scores[r*tokenTargets:][:count]
			if top := vec.Max(scores); from == 0 || top > likeness[r] {
				likeness[r], found[r] = top, float32(from+max(slices.Index(scores, top), 0))
			}
		}
	}
}

// settle merges the sources that are most similar to what they found, of equal ones the
// first, and gives all tokens their places.
func (op MatchTokens) settle(place, order []int32, likeness, found []float32, sources, targets []int) {
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(likeness[b], likeness[a]), cmp.Compare(a, b))
	})
	stay := len(sources) - op.Merged
	for _, i := range order[:op.Merged] {
		place[sources[i]] = int32(stay) + int32(found[i])
	}
	slices.Sort(order[op.Merged:])
	for k, i := range order[op.Merged:] {
		place[sources[i]] = int32(k)
	}
	for k, i := range targets {
		place[i] = int32(stay + k)
	}
}

// Tokens are graph.MergeTokens and graph.UnmergeTokens: S tokens of N pictures at so many places.
type Tokens struct{ N, S, Places, C int }

// tokenChannels is the number of channels that a task takes the means of.
const tokenChannels = 64

// Merge writes the mean of the tokens x at each place.
func (op Tokens) Merge(x []float32, place []int32, y []float32, workers int) []par.Phase {
	parts := ceilDiv(op.C, tokenChannels)
	counts := make([]int32, max(workers, 1)*op.Places)
	return []par.Phase{{Name: "merge tokens", Tasks: op.N * parts, Run: func(task, worker int) {
		n, from := task/parts, task%parts*tokenChannels
		to := min(from+tokenChannels, op.C)
		count := counts[worker*op.Places:][:op.Places]
		clear(count)
		for s, p := range place[n*op.S:][:op.S] {
			token, sum := x[(n*op.S+s)*op.C:][from:to], y[(n*op.Places+int(p))*op.C:][from:to]
			if count[p]++; count[p] == 1 {
				copy(sum, token)
			} else {
				vec.Add(sum, sum, token)
			}
		}
		for p, c := range count {
			if sum := y[(n*op.Places+p)*op.C:][from:to]; c == 0 {
				clear(sum)
			} else if c > 1 {
				vec.Affine(sum, sum, 1/float32(c), 0)
			}
		}
	}}}
}

// Unmerge writes what stands at each token's place.
func (op Tokens) Unmerge(x []float32, place []int32, y []float32) []par.Phase {
	const block = 256
	blocks := ceilDiv(op.S, block)
	return []par.Phase{{Name: "unmerge tokens", Tasks: op.N * blocks, Run: func(task, _ int) {
		n, from := task/blocks, task%blocks*block
		for s := from; s < min(from+block, op.S); s++ {
			copy(y[(n*op.S+s)*op.C:][:op.C], x[(n*op.Places+int(place[n*op.S+s]))*op.C:][:op.C])
		}
	}}}
}
