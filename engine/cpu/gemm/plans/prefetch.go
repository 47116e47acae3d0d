package plans

// Ranges are what a processor will read soon, by address, to be fetched beside the
// products of tiles.
type Ranges []Range

type Range struct{ From, To uintptr }

const FetchedByStep = 256 // bytes, by a tile kernel

// Next takes so many bytes of them, or fewer where a range ends.
func (r *Ranges) Next(bytes int) (from, to uintptr) {
	if len(*r) == 0 {
		return 0, 0
	}
	first := &(*r)[0]
	from = first.From
	to = min(from+uintptr(bytes), first.To)
	first.From = to
	if to == first.To {
		*r = (*r)[1:]
	}
	return from, to
}

// Add adds a range, which may go on with the last or overlap it.
func (r *Ranges) Add(from, to uintptr) {
	if n := len(*r); n > 0 {
		if last := &(*r)[n-1]; last.From <= from && from <= last.To {
			last.To = max(last.To, to)
			return
		}
	}
	*r = append(*r, Range{from, to})
}
