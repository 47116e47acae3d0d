package metric

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/ldm-go/ldm/fault"
)

// maxDimensions bounds what a file of statistics may say.
const maxDimensions = 1 << 14

// WriteTo writes the statistics in pytorch-fid's form: an .npz file with the arrays mu
// and sigma of float64.
func (s Statistics) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	d := len(s.Mean)
	covariance := make([]float64, 0, d*d)
	for i := range d {
		for j := range d {
			covariance = append(covariance, s.Covariance.At(i, j))
		}
	}
	for _, a := range []struct {
		name  string
		shape string
		v     []float64
	}{{"mu.npy", fmt.Sprintf("(%d,)", d), s.Mean}, {"sigma.npy", fmt.Sprintf("(%d, %d)", d, d), covariance}} {
		f, err := z.Create(a.name)
		if err != nil {
			return 0, err
		}
		header := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': %s, }", a.shape)
		header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n" // up to a multiple of 64
		f.Write(append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8)))
		io.WriteString(f, header)
		if err := binary.Write(f, binary.LittleEndian, a.v); err != nil {
			return 0, err
		}
	}
	if err := z.Close(); err != nil {
		return 0, err
	}
	return b.WriteTo(w)
}

// ReadStatistics reads what WriteTo, pytorch-fid or clean-fid wrote.
func ReadStatistics(path string) (Statistics, error) {
	f, err := os.Open(path)
	if err != nil {
		return Statistics{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Statistics{}, err
	}
	s, err := readStatistics(f, st.Size())
	if err != nil {
		return s, fault.Filef("%s: %w", path, err)
	}
	return s, nil
}

func readStatistics(r io.ReaderAt, size int64) (s Statistics, err error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return s, fmt.Errorf("no .npz file of statistics: %w", err)
	}
	mean, shape, err := readArray(z, "mu.npy")
	if err != nil {
		return s, err
	}
	if len(shape) != 1 || shape[0] < 1 {
		return s, fmt.Errorf("mu has shape %v: want one dimension", shape)
	}
	covariance, square, err := readArray(z, "sigma.npy")
	if err != nil {
		return s, err
	}
	d := shape[0]
	if len(square) != 2 || square[0] != d || square[1] != d {
		return s, fmt.Errorf("sigma has shape %v: want [%d %d], as mu has %d numbers", square, d, d, d)
	}
	for i, v := range append(mean[:d:d], covariance...) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return s, fmt.Errorf("number %d is %g", i, v)
		}
	}
	s = Statistics{Mean: mean, Covariance: mat.NewSymDense(d, nil)}
	for i := range d {
		for j := i; j < d; j++ {
			s.Covariance.SetSym(i, j, (covariance[i*d+j]+covariance[j*d+i])/2)
		}
	}
	return s, nil
}

var (
	npyType    = regexp.MustCompile(`'descr':\s*'([^']*)'`)
	npyFortran = regexp.MustCompile(`'fortran_order':\s*True`)
	npyShape   = regexp.MustCompile(`'shape':\s*\(([0-9, ]*)\)`)
)

// readArray reads an array of float64 or float32, row by row or column by column.
func readArray(z *zip.Reader, name string) (values []float64, shape []int, err error) {
	f, err := z.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("no array %s: want those of pytorch-fid, mu and sigma", strings.TrimSuffix(name, ".npy"))
	}
	defer f.Close()
	header, err := npyHeader(f)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	total := 1
	m := npyShape.FindStringSubmatch(header)
	if m == nil {
		return nil, nil, fmt.Errorf("%s: no shape in its header", name)
	}
	for _, part := range strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > maxDimensions {
			return nil, nil, fmt.Errorf("%s: a side of %s: want at most %d", name, part, maxDimensions)
		}
		shape = append(shape, n)
		total *= n
		if len(shape) > 2 {
			return nil, nil, fmt.Errorf("%s has more than two dimensions", name)
		}
	}
	if values, err = npyValues(f, header, total); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	if npyFortran.MatchString(header) && len(shape) == 2 {
		values = transposed(values, shape[0], shape[1])
	}
	return values, shape, nil
}

func npyHeader(r io.Reader) (string, error) {
	var head [10]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:6]) != "\x93NUMPY" {
		return "", fmt.Errorf("not an array of numpy")
	}
	n := int(head[8]) | int(head[9])<<8
	if head[6] != 1 { // later versions: four bytes
		var more [2]byte
		if _, err := io.ReadFull(r, more[:]); err != nil || more != [2]byte{} {
			return "", fmt.Errorf("its header is too long")
		}
	}
	text := make([]byte, n)
	_, err := io.ReadFull(r, text)
	return string(text), err
}

// npyValues reads so many numbers; memory is taken as they come.
func npyValues(r io.Reader, header string, total int) ([]float64, error) {
	m := npyType.FindStringSubmatch(header)
	if m == nil || m[1] != "<f8" && m[1] != "<f4" {
		return nil, fmt.Errorf("its numbers are not float64 or float32 (<f8, <f4)")
	}
	size := int(m[1][2] - '0')
	raw, err := io.ReadAll(io.LimitReader(r, int64(total)*int64(size)))
	if err != nil {
		return nil, err
	}
	if len(raw) != total*size {
		return nil, fmt.Errorf("%d bytes of %d numbers: the file is cut off", len(raw), total)
	}
	out := make([]float64, total)
	for i := range out {
		if size == 8 {
			out[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
		} else {
			out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		}
	}
	return out, nil
}

func transposed(v []float64, h, w int) []float64 {
	out := make([]float64, len(v))
	for i := range h {
		for j := range w {
			out[i*w+j] = v[j*h+i]
		}
	}
	return out
}
