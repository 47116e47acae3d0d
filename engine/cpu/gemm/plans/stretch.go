package plans

// Stretches are pieces of memory that a processor will read soon, to be fetched beside the
// products of tiles.
type Stretches []Stretch

type Stretch struct{ From, To uintptr }

const FetchedByStep = 256 // bytes, by a tile kernel

// Next takes so many bytes of them, or fewer where a piece ends.
func (s *Stretches) Next(bytes int) (from, to uintptr) {
	if len(*s) == 0 {
		return 0, 0
	}
	first := &(*s)[0]
	from = first.From
	to = min(from+uintptr(bytes), first.To)
	first.From = to
	if to == first.To {
		*s = (*s)[1:]
	}
	return from, to
}

// Add adds a piece, which may go on with the last or overlap it.
func (s *Stretches) Add(from, to uintptr) {
	if n := len(*s); n > 0 {
		if last := &(*s)[n-1]; last.From <= from && from <= last.To {
			last.To = max(last.To, to)
			return
		}
	}
	*s = append(*s, Stretch{from, to})
}
