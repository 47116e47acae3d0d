package metric

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/tensor"
)

// features reads an input of a case as a feature matrix.
func features(t *testing.T, c *golden.Case, name string) Features {
	t.Helper()
	in := c.Input(t, name)
	return Features{in.Shape[0], in.Shape[1], in.F32}
}

// near wants numbers within a share of the largest.
func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d numbers, want %d", what, len(got), len(want))
		return
	}
	var worst, most float64
	for i, w := range want {
		if d := math.Abs(got[i] - w); !(d <= worst) {
			worst = d
		}
		most = max(most, math.Abs(w))
	}
	if !(worst <= tolerance*most) {
		t.Errorf("%s: error %g", what, worst/most)
	}
}

func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "metrics") {
		check := map[string]func(*testing.T, *golden.Case){
			"fid": goldenFID, "kid": goldenKID, "inception-score": goldenScore, "precision-recall": goldenManifold, "similarity": goldenSimilarity,
		}[c.Base()]
		if strings.HasPrefix(c.Base(), "fid-") {
			check = goldenFID
		}
		if check != nil {
			t.Run(c.Base(), func(t *testing.T) { check(t, c) })
		}
	}
}

func goldenFID(t *testing.T, c *golden.Case) {
	var stats []Statistics
	for _, name := range []string{"real", "fake"} {
		s, err := NewStatistics(features(t, c, name))
		if err != nil {
			t.Fatal(err)
		}
		if c.Has("mu_" + name) {
			near(t, "mean "+name, s.Mean, c.Floats64(t, "mu_"+name), 1e-9)
		}
		if c.Has("sigma_" + name) {
			var all []float64
			for i := range s.Mean {
				for j := range s.Mean {
					all = append(all, s.Covariance.At(i, j))
				}
			}
			near(t, "covariance "+name, all, c.Floats64(t, "sigma_"+name), 1e-9)
		}
		stats = append(stats, s)
	}
	got, err := FID(stats[0], stats[1])
	if err != nil {
		t.Fatal(err)
	}
	near(t, "FID", []float64{got}, c.Floats64(t, "fid"), 1e-6)
}

func goldenKID(t *testing.T, c *golden.Case) {
	real, fake := features(t, c, "real"), features(t, c, "fake")
	mean, deviation, err := KID(real, fake, 20, 40)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "KID", []float64{mean, deviation}, []float64{c.Floats64(t, "kid")[0], c.Floats64(t, "kid_std")[0]}, 1e-9)
	near(t, "of all", []float64{mmd(real, fake)}, c.Floats64(t, "mmd_full"), 1e-9)
}

func goldenScore(t *testing.T, c *golden.Case) {
	logits := features(t, c, "logits")
	for name, f := range map[string]Features{"in_order/": logits, "shuffled/": logits.Shuffled()} {
		for splits, n := range map[string]int{"1": 1, "4": 4, "10": 10} {
			mean, deviation, err := InceptionScore(f, n)
			if err != nil {
				t.Fatal(err)
			}
			near(t, name+splits, []float64{mean, deviation}, c.Floats64(t, name+splits), 1e-9)
		}
	}
}

func goldenManifold(t *testing.T, c *golden.Case) {
	real, fake := features(t, c, "real"), features(t, c, "fake")
	for name, k := range map[string]int{"3": 3, "5": 5} {
		near(t, "radii", radii(real, k), c.Floats64(t, "radius_real/"+name), 1e-9)
		m, err := NewManifold(real, fake, k)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "k = "+name, []float64{m.Precision, m.Recall, m.Density, m.Coverage}, c.Floats64(t, "prdc/"+name), 1e-9)
	}
}

func goldenSimilarity(t *testing.T, c *golden.Case) {
	picture := func(name string) *tensor.Tensor {
		in := c.Input(t, name)
		x := tensor.New(in.Shape...)
		for i, v := range in.I32 {
			x.F32[i] = float32(v)/127.5 - 1
		}
		return x
	}
	for _, name := range []string{"a0", "a1", "b0", "b1"} {
		x, y := picture(name[:1]), picture(name)
		ssim, err := SSIM(x.F32, y.F32, x.Shape[0], x.Shape[1], 3)
		if err != nil {
			t.Fatal(err)
		}
		// Pictures of float32 in [-1, 1] have 24 bits.
		near(t, "PSNR "+name, []float64{PSNR(x.F32, y.F32)}, c.Floats64(t, "psnr/"+name), 1e-7)
		near(t, "SSIM "+name, []float64{ssim}, c.Floats64(t, "ssim/"+name), 1e-6)
	}
}

// TestRefused: what cannot be measured is an error, not a number.
func TestRefused(t *testing.T) {
	two, one := Features{2, 3, make([]float32, 6)}, Features{1, 3, make([]float32, 3)}
	other := Features{2, 2, make([]float32, 4)}
	if _, err := NewStatistics(one); err == nil {
		t.Error("statistics of one picture")
	}
	a, _ := NewStatistics(two)
	b, _ := NewStatistics(other)
	if _, err := FID(a, b); err == nil {
		t.Error("FID of two networks")
	}
	nan := Features{2, 2, []float32{1, 2, float32(math.NaN()), 0}}
	if c, err := NewStatistics(nan); err == nil {
		if _, err := FID(c, b); err == nil {
			t.Error("FID of a NaN")
		}
	}
	if _, _, err := KID(two, two, 10, 3); err == nil {
		t.Error("KID of subsets larger than the set")
	}
	if _, _, err := InceptionScore(two, 3); err == nil {
		t.Error("more splits than pictures")
	}
	if _, err := NewManifold(two, two, 2); err == nil {
		t.Error("as many neighbours as pictures")
	}
}

func TestNearest(t *testing.T) {
	f := Features{3, 2, []float32{0, 0, 3, 4, 1, 0}}
	got := f.Nearest([]float32{0, 0}, 2)
	if !slices.Equal(got, []Neighbour{{0, 0}, {2, 1}}) {
		t.Errorf("nearest %v", got)
	}
}
