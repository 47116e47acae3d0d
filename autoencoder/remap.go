package autoencoder

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strconv"

	"github.com/ldm-go/ldm/fault"
)

// Remap translates between the codes of a codebook and a smaller vocabulary of
// those that are in use, as the reference's quantiser does with its argument
// remap, a NumPy file of codes. Pictures do not depend on it.
type Remap struct {
	used  []int32         // codes, by their places in the vocabulary
	place map[int32]int32 // of each code
}

// maxRemap bounds the codes of a vocabulary.
const maxRemap = 1 << 20

var npyShape = regexp.MustCompile(`'descr': *'<i([48])'.*'fortran_order': *False.*'shape': *\((\d+),\)`)

// ReadRemap reads a NumPy file (.npy) of int32 or int64 codes below codes.
func ReadRemap(raw []byte, codes int) (Remap, error) {
	const magic = "\x93NUMPY"
	if !bytes.HasPrefix(raw, []byte(magic)) || len(raw) < 12 {
		return Remap{}, fault.Filef("not a NumPy file (.npy)")
	}
	at := 10
	length := int(binary.LittleEndian.Uint16(raw[8:]))
	if raw[6] > 1 {
		at, length = 12, int(binary.LittleEndian.Uint32(raw[8:]))
	}
	if length < 0 || length > len(raw)-at {
		return Remap{}, fault.Filef("a NumPy file whose header is cut off")
	}
	header := npyShape.FindSubmatch(raw[at : at+length])
	if header == nil {
		return Remap{}, fault.Filef("a NumPy file with the header %q: want a list of int32 or int64", raw[at:at+length])
	}
	size := int(header[1][0] - '0')
	n, err := strconv.Atoi(string(header[2]))
	if raw = raw[at+length:]; err != nil || n < 1 || n > maxRemap || len(raw) != n*size {
		return Remap{}, fault.Filef("a NumPy file of %s codes with %d bytes: want 1 to %d codes of %d bytes", header[2], len(raw), maxRemap, size)
	}
	r := Remap{place: map[int32]int32{}}
	for i := range n {
		code := int64(int32(binary.LittleEndian.Uint32(raw[i*size:])))
		if size == 8 {
			code = int64(binary.LittleEndian.Uint64(raw[i*size:]))
		}
		if code < 0 || code >= int64(codes) {
			return Remap{}, fault.Filef("code %d of a vocabulary is %d: want 0 to %d", i, code, codes-1)
		}
		r.used = append(r.used, int32(code))
		if _, twice := r.place[int32(code)]; !twice { // the first of several counts
			r.place[int32(code)] = int32(i)
		}
	}
	return r, nil
}

// Len is the size of the vocabulary.
func (r Remap) Len() int { return len(r.used) }

// Used replaces codes by their places in the vocabulary, in place, and those that
// are not in it by what unknown gives. It returns how many those were.
func (r Remap) Used(codes []int32, unknown func() int32) (missing int) {
	for i, c := range codes {
		place, ok := r.place[c]
		if !ok {
			place = unknown()
			missing++
		}
		codes[i] = place
	}
	return missing
}

// All replaces places in the vocabulary by codes, in place; a place beyond it, as
// that of an extra word for unknown codes, stands for the first.
func (r Remap) All(places []int32) {
	for i, p := range places {
		if p < 0 || int(p) >= len(r.used) {
			p = 0
		}
		places[i] = r.used[p]
	}
}
