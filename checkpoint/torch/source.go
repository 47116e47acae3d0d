package torch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxPickle bounds the pickles of a file; those of checkpoints of a billion
// parameters have a few MiB.
const maxPickle = 256 << 20

// source reads pickles. It never allocates for bytes that are not there.
type source struct {
	r    *bufio.Reader
	used int64
	left int64
	cut  bool // left was bounded by maxPickle
}

func newSource(src io.ReaderAt, begin, end int64) *source {
	size := min(end-begin, maxPickle)
	r := bufio.NewReader(io.NewSectionReader(src, begin, size))
	return &source{r: r, left: size, cut: size < end-begin}
}

// need checks that n bytes remain.
func (s *source) need(n uint64) error {
	if n <= uint64(s.left) {
		return nil
	}
	if s.cut {
		return fmt.Errorf("the pickle goes beyond %d bytes, the most that is read", int64(maxPickle))
	}
	return fmt.Errorf("the pickle wants %d bytes at its byte %d, where %d remain; is the file truncated?", n, s.used, s.left)
}

func (s *source) advance(n int) {
	s.used += int64(n)
	s.left -= int64(n)
}

// take returns the next n bytes, which the next call may overwrite.
func (s *source) take(n uint64) ([]byte, error) {
	if err := s.need(n); err != nil {
		return nil, err
	}
	defer s.advance(int(n))
	if n > uint64(s.r.Size()) {
		raw := make([]byte, n)
		_, err := io.ReadFull(s.r, raw)
		return raw, err
	}
	raw, err := s.r.Peek(int(n))
	if err != nil {
		return nil, err
	}
	_, err = s.r.Discard(int(n))
	return raw, err
}

// skip passes over bytes that nothing needs.
func (s *source) skip(n uint64) error {
	if err := s.need(n); err != nil {
		return err
	}
	s.advance(int(n))
	_, err := s.r.Discard(int(n))
	return err
}

// line returns the text up to the next newline.
func (s *source) line() (string, error) {
	raw, err := s.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", fmt.Errorf("a line of text at byte %d of the pickle is longer than %d bytes, the most that is read", s.used, s.r.Size())
	}
	if errors.Is(err, io.EOF) {
		return "", s.need(uint64(s.left) + 1)
	}
	if err != nil {
		return "", err
	}
	s.advance(len(raw))
	return string(raw[:len(raw)-1]), nil
}

// uint reads a little-endian number of n bytes.
func (s *source) uint(n int) (uint64, error) {
	raw, err := s.take(uint64(n))
	if err != nil {
		return 0, err
	}
	var v uint64
	for i, b := range raw {
		v |= uint64(b) << (8 * i)
	}
	return v, nil
}
