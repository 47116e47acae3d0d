package train

import (
	"context"
	"math"
	"runtime"
	"sync"

	"github.com/ldm-go/ldm/tensor"
)

// kMeans finds k means of vectors of d numbers (Lloyd's algorithm), beginning
// with vectors drawn at random; a mean without vectors becomes another vector.
func kMeans(ctx context.Context, vectors []float32, d, k int, draw tensor.Stream) (*tensor.Tensor, error) {
	const rounds = 8
	n := len(vectors) / d
	book := tensor.New(k, d)
	order := draw.Perm(n)
	for i := range k {
		copy(book.F32[i*d:][:d], vectors[order[i%n]*d:][:d])
	}
	nearest := make([]int, n)
	for range rounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		assign(ctx, nearest, vectors, book.F32, d)
		sums, counts := make([]float64, k*d), make([]int, k)
		for i, code := range nearest {
			counts[code]++
			for j := range d {
				sums[code*d+j] += float64(vectors[i*d+j])
			}
		}
		for code, count := range counts {
			if count == 0 {
				copy(book.F32[code*d:][:d], vectors[draw.IntN(n)*d:][:d])
				continue
			}
			for j := range d {
				book.F32[code*d+j] = float32(sums[code*d+j] / float64(count))
			}
		}
	}
	return book, ctx.Err()
}

// assign finds the nearest row of book for every vector, on all processors, until
// ctx is cancelled.
func assign(ctx context.Context, nearest []int, vectors, book []float32, d int) {
	var group sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		group.Go(func() {
			for i := w; i < len(nearest) && ctx.Err() == nil; i += workers {
				v, best := vectors[i*d:][:d], float32(math.Inf(1))
				for code := 0; code*d < len(book); code++ {
					var sum float32
					for j, x := range book[code*d:][:d] {
						sum += (v[j] - x) * (v[j] - x)
					}
					if sum < best {
						best, nearest[i] = sum, code
					}
				}
			}
		})
	}
	group.Wait()
}
