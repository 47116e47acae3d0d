package gemm

import "github.com/ldm-go/ldm/engine/cpu/par"

// packPanels brings weights into panels [panel][tap][depth][cols], zero where
// there is no column.
func packPanels(dst, raw []float32, w weights, cols int) []par.Phase {
	size := w.taps * w.depth * cols
	return []par.Phase{{Name: "pack", Tasks: w.panels(cols), Run: func(panel, _ int) {
		out := dst[panel*size:][:size]
		first, n := w.columns(panel, cols)
		if n < cols {
			clear(out)
		}
		switch {
		case w.strideCol == 1:
			packRows(out, raw[first:], w, cols, n)
		case w.plain():
			packTransposed(out, raw[first*w.strideCol:], w, cols, n)
		default:
			packEach(out, raw[first*w.strideCol:], w, cols, n)
		}
	}}}
}

// plain tells whether a column's weights lie in one piece, [depth][tap].
func (w weights) plain() bool {
	for i, t := range w.tap {
		if i != t {
			return false
		}
	}
	return w.strideDepth == w.taps
}

// packRows copies columns that lie side by side.
func packRows(out, raw []float32, w weights, cols, n int) {
	for t, tap := range w.tap {
		for k := range w.depth {
			copy(out[(t*w.depth+k)*cols:][:n], raw[tap+k*w.strideDepth:])
		}
	}
}

// packTransposed turns blocks of 16 columns by 16 weights of each.
func packTransposed(out, raw []float32, w weights, cols, n int) {
	var block [16 * 16]float32
	total := w.depth * w.taps
	for c := 0; c < n; c += 16 {
		width := min(16, n-c)
		for from := 0; from < total; from += 16 {
			count := min(16, total-from)
			Transpose(block[:], 16, raw[c*w.strideCol+from:], w.strideCol, width, count)
			for i := range count {
				tap, depth := (from+i)%w.taps, (from+i)/w.taps
				copy(out[(tap*w.depth+depth)*cols+c:][:width], block[i*16:])
			}
		}
	}
}

func packEach(out, raw []float32, w weights, cols, n int) {
	for t, tap := range w.tap {
		for k := range w.depth {
			row := out[(t*w.depth+k)*cols:][:n]
			from := tap + k*w.strideDepth
			for c := range row {
				row[c] = raw[from]
				from += w.strideCol
			}
		}
	}
}
