package tiled

// A product followed by GEGLU (Shazeer, arXiv 2002.05202) makes the values of a
// panel and their gates, and joins the two while they are in the cache. Each half
// of the columns has panels of its own, so that a half may be of any width.

// gate makes two tiles of each, its values and its gates, whose weights lie size words
// further on. They take turns, so that the tile unit multiplies while the rest of the core
// computes GEGLU.
func (p *tilesPlan) gate(w *tilesWorker, size int) {
	n := w.tile.Count
	for i := n - 1; i >= 0; i-- {
		for j := range 2 {
			w.moves[2*i+j], w.gaps[2*i+j], w.shifts[2*i+j] = w.moves[i], w.gaps[i], j*size*4
		}
	}
	w.tile.Count, w.tile.Shifts = 2*n, &w.shifts[0]
	w.put.Gated, w.put.Half = 1, 0
	if p.HalfY {
		w.put.Half = 1
	}
}
