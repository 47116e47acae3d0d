package enginetest

import (
	"cmp"
	"math"
	"slices"

	"github.com/ldm-go/ldm/graph"
)

// match64 is graph.MatchTokens.
func match64(op graph.MatchTokens, x []float64, c int, place []float64) {
	all := op.H * op.W
	for n := range len(place) / all {
		token := func(i int) []float64 { return x[(n*all+i)*c:][:c] }
		var sources, targets []int
		for i := range all {
			if i/op.W%2 == op.Top && i%op.W%2 == op.Left {
				targets = append(targets, i)
			} else {
				sources = append(sources, i)
			}
		}
		type match struct {
			source, target int
			cosine         float64
		}
		var matches []match
		for _, s := range sources {
			best := match{s, 0, math.Inf(-1)}
			for k, t := range targets {
				var ab, aa, bb float64
				for i, a := range token(s) {
					b := token(t)[i]
					ab, aa, bb = ab+a*b, aa+a*a, bb+b*b
				}
				if v := ab / math.Sqrt(aa*bb); v > best.cosine {
					best.target, best.cosine = k, v
				}
			}
			matches = append(matches, best)
		}
		slices.SortStableFunc(matches, func(a, b match) int { return cmp.Compare(b.cosine, a.cosine) })
		stay := len(sources) - op.Merged
		for _, m := range matches[:op.Merged] {
			place[n*all+m.source] = float64(stay + m.target)
		}
		rest := matches[op.Merged:]
		slices.SortFunc(rest, func(a, b match) int { return cmp.Compare(a.source, b.source) })
		for k, m := range rest {
			place[n*all+m.source] = float64(k)
		}
		for k, t := range targets {
			place[n*all+t] = float64(stay + k)
		}
	}
}

// merge64 is graph.MergeTokens.
func merge64(op graph.MergeTokens, n *graph.Node, x, place, y []float64) {
	s, c := n.Inputs[0].Dim(1), n.Inputs[0].Dim(2)
	for i := range y {
		at, count := i/c, 0
		for k := range s {
			token := at/op.Places*s + k
			if int(place[token]) == at%op.Places {
				y[i] += x[token*c+i%c]
				count++
			}
		}
		y[i] /= float64(max(count, 1))
	}
}
