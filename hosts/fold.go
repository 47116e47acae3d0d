package hosts

import "github.com/ldm-go/ldm/engine/cpu/vec"

// Fold sums arrays of one length into the first, which it returns; the others are
// overwritten. The order is a binary tree over their places: neighbours first, then
// neighbouring pairs, and so on. The sums of two, four or eight that follow one another
// are parts of the sum of all, so that it does not matter who computes them.
func Fold(arrays ...[]float32) []float32 {
	for stride := 1; stride < len(arrays); stride *= 2 {
		for i := 0; i+stride < len(arrays); i += 2 * stride {
			vec.Add(arrays[i], arrays[i], arrays[i+stride])
		}
	}
	return arrays[0]
}

// Series sums arrays that come one after the other, in Fold's order, and keeps no more
// of them than their number has binary digits.
type Series struct {
	levels [][]float32 // sums of 2^k arrays, the earlier ones higher; nil: none
	count  int
	spare  [][]float32
}

// Add copies an array that lies in one or several pieces.
func (s *Series) Add(pieces ...[]float32) {
	carry := s.room(pieces)
	level := 0
	for ; s.count>>level&1 == 1; level++ {
		carry = s.join(level, carry)
	}
	if level == len(s.levels) {
		s.levels = append(s.levels, nil)
	}
	s.levels[level] = carry
	s.count++
}

// Sum is the sum of what was added, and begins anew. It holds until the next Add.
func (s *Series) Sum() []float32 {
	var sum []float32
	for level, l := range s.levels {
		switch {
		case l == nil:
		case sum == nil:
			sum, s.levels[level] = l, nil
		default:
			sum = s.join(level, sum)
		}
	}
	s.count = 0
	s.spare = append(s.spare, sum)
	return sum
}

// join adds later sums to those of a level, which it takes from there.
func (s *Series) join(level int, later []float32) []float32 {
	sum := s.levels[level]
	vec.Add(sum, sum, later)
	s.levels[level], s.spare = nil, append(s.spare, later)
	return sum
}

// room is memory with the pieces in it, one behind the other.
func (s *Series) room(pieces [][]float32) []float32 {
	size := 0
	for _, p := range pieces {
		size += len(p)
	}
	var room []float32
	if n := len(s.spare); n > 0 {
		room, s.spare = s.spare[n-1][:size], s.spare[:n-1]
	} else {
		room = make([]float32, size)
	}
	at := 0
	for _, p := range pieces {
		at += copy(room[at:], p)
	}
	return room
}
