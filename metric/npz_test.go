package metric

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/tensor"
)

func written(t testing.TB, d int) (Statistics, []byte) {
	f := Features{N: 9, D: d, Values: make([]float32, 9*d)}
	tensor.NewStream(1).Normal(f.Values)
	s, err := NewStatistics(f)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := s.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return s, b.Bytes()
}

func TestStatisticsFile(t *testing.T) {
	want, raw := written(t, 5)
	path := filepath.Join(t.TempDir(), "x.npz")
	os.WriteFile(path, raw, 0o666)
	got, err := ReadStatistics(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Mean, want.Mean) {
		t.Error("the mean is another")
	}
	for i := range 5 {
		for j := range 5 {
			if got.Covariance.At(i, j) != want.Covariance.At(i, j) {
				t.Fatalf("covariance %d, %d is another", i, j)
			}
		}
	}
	os.WriteFile(path, raw[:len(raw)-30], 0o666)
	if _, err := ReadStatistics(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("cut off: %v", err)
	}
}

func FuzzStatistics(f *testing.F) {
	_, raw := written(f, 3)
	f.Add(raw)
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := readStatistics(bytes.NewReader(raw), int64(len(raw)))
		if err == nil && len(s.Mean) != s.Covariance.SymmetricDim() {
			t.Error("mean and covariance do not fit")
		}
	})
}
