package gemm

// stretches are pieces of memory that a processor will read soon, to be fetched beside the
// products of tiles.
type stretches []stretch

type stretch struct{ from, to uintptr }

const fetchedByStep = 256 // bytes, by a tile kernel

// next takes so many bytes of them, or fewer where a piece ends.
func (s *stretches) next(bytes int) (from, to uintptr) {
	if len(*s) == 0 {
		return 0, 0
	}
	first := &(*s)[0]
	from = first.from
	to = min(from+uintptr(bytes), first.to)
	first.from = to
	if to == first.to {
		*s = (*s)[1:]
	}
	return from, to
}

// add adds a piece, which may go on with the last or overlap it.
func (s *stretches) add(from, to uintptr) {
	if n := len(*s); n > 0 {
		if last := &(*s)[n-1]; last.from <= from && from <= last.to {
			last.to = max(last.to, to)
			return
		}
	}
	*s = append(*s, stretch{from, to})
}
