package tiles

// axis is how one side of a picture is covered by windows of equal size. A network
// that looks around gives wrong results near those edges of a window that are not
// edges of the picture; each window answers for a cell further inside.
type axis struct {
	size   int   // of the picture
	window int   // of what is read
	starts []int // of the windows
}

// cover lays windows over a side: all begin at multiples of unit, and their results
// within margin of an inner edge are not used.
func cover(size, window, unit, margin int) axis {
	a := axis{size: size, window: min(window, size)}
	stride := (a.window - 2*margin) / unit * unit
	for at := 0; at+a.window < size; at += stride {
		a.starts = append(a.starts, at)
	}
	a.starts = append(a.starts, size-a.window)
	return a
}

// cell is the part of a side that window i answers for, in pixels of a result whose
// sides are the picture's times up, by down, and which is wrong within reach
// of inner edges.
func (a axis) cell(i, up, down, reach int) (from, to int) {
	scale := func(n int) int { return n * up / down }
	edge := func(i int) int { // the end of cell i
		if i == len(a.starts)-1 {
			return scale(a.size)
		}
		return scale(a.starts[i]+a.window) - reach
	}
	if i > 0 {
		from = edge(i - 1)
	}
	return from, max(edge(i), from)
}
