package layer

import "github.com/ldm-go/ldm/engine/cpu/par"

// Nearest finds the nearest rows of a codebook [K, D] for Rows vectors.
type Nearest struct{ Rows, K, D int }

// Forward writes the index of the nearest row of book for every vector of z. The
// distances are sums of squared differences, which lose no digits where the
// vectors are long and near to each other.
func (op Nearest) Forward(z, book []float32, y []int32) []par.Phase {
	const block = 64
	return []par.Phase{{Name: "nearest", Tasks: (op.Rows + block - 1) / block, Run: func(task, _ int) {
		for i := task * block; i < min((task+1)*block, op.Rows); i++ {
			v := z[i*op.D:][:op.D]
			best, index := float32(0), -1
			for k := range op.K {
				row := book[k*op.D:][:len(v)]
				var d float32
				for c, a := range v {
					a -= row[c]
					d += a * a
				}
				if index < 0 || d < best {
					best, index = d, k
				}
			}
			y[i] = int32(index)
		}
	}}}
}
