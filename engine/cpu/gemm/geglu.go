package gemm

import "github.com/ldm-go/ldm/engine/cpu/vec"

// A product followed by GEGLU (Shazeer, arXiv 2002.05202) makes the values of a
// panel, then their gates, and joins the two while they are in the cache. Each half
// of the columns has panels of its own, so that a half may be of any width.

// gateSize is the memory for the values, or the gates, of a panel and a task's rows.
func (p *dotPlan) gateSize() int {
	if !p.weights.gated {
		return 0
	}
	return p.tilesPerTask * p.kernel.rows * p.kernel.cols
}

// gate writes value·GELU(gate) of a panel of values and its panel of gates.
func (p *dotPlan) gate(a *Args, w *dotWorker, panel, first, last int) {
	rows, cols := p.kernel.rows, p.kernel.cols
	for i, half := range w.halves {
		p.panel(a, w, i*p.panels+panel, first, last, output{y: addressOf(half), stride: cols * 4})
	}
	n := min(last*rows, p.rows) - first*rows
	value := w.halves[0][:n*cols]
	vec.GEGLU(value, value, w.halves[1][:n*cols])
	width := min(cols, p.cols-panel*cols)
	for r := range n {
		copy(a.Y[(first*rows+r)*p.cols+panel*cols:][:width], value[r*cols:])
	}
}

// gate sums the last terms of turn i, the values of a panel or its gates, and after those
// writes value·GELU(gate).
func (p *tilesPlan) gate(a *Args, w *tilesWorker, acc []float32, panel, i, packed int) {
	own := w.tile.count * side * side
	sums := acc[i*own:][:own]
	for r := range w.put.count { // the sums get their bias where they are
		w.halves[r] = addressOf(sums[r*side:])
	}
	w.put.acc, w.put.rows, w.tile.put = &sums[0], &w.halves[0], &w.put
	p.columns(a, w, packed)
	p.tile(&w.tile)
	if i%2 == 0 {
		return
	}
	value, rows := acc[(i-1)*own:][:own], w.rows[:w.put.count]
	vec.GEGLU(value, value, sums)
	width := min(side, p.cols-(panel+i/2)*side)
	if p.halfY {
		w.round = rowsArgs{dst: bytesAt(rows[0]), ldd: p.cols * 2, src: &value[0], lds: side * 4, n: width, count: countRows(rows)}
		p.rows(&w.round)
	} else {
		for r, at := range rows {
			if at != 0 {
				copy(floatsAt(at, width), value[r*side:])
			}
		}
	}
	p.nextColumns(w)
}

// countRows is the number of rows of a matrix before those that are none.
func countRows(rows []uintptr) int {
	n := len(rows)
	for n > 0 && rows[n-1] == 0 {
		n--
	}
	return n
}
