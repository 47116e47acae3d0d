package sampler_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

func method(t testing.TB, name string) sampler.Method {
	t.Helper()
	m, _, err := sampler.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTorchNoise: pictures of a batch have a generator each, and values come in
// PyTorch's order of axes.
func TestTorchNoise(t *testing.T) {
	for _, c := range golden.Cases(t, "rng/cpu-programs") {
		x := tensor.New(3, 8, 8, 4)
		method(t, "Euler a").Noise(sampler.TorchCPU, []uint64{42, 43, 44}, sampler.Path{})(x, 0, 0)
		want := c.Output(t, "per_image")
		for i, v := range x.ToNCHW().F32 {
			if math.Abs(float64(v-want.F32[i])) > 1e-5 {
				t.Fatalf("value %d is %g, want %g", i, v, want.F32[i])
			}
		}
		a, b := tensor.New(1, 8, 8, 4), tensor.New(1, 8, 8, 4)
		method(t, "Euler a").Noise(sampler.TorchCPU, []uint64{42}, sampler.Path{})(a, 0, 0)
		method(t, "Euler a").Noise(sampler.TorchCPU, []uint64{1042}, sampler.Path{})(b, 0, 0)
		for name, share := range map[string]float64{"0.1": .1, "0.5": .5} {
			got := tensor.New(1, 8, 8, 4)
			sampler.Slerp(got.F32, a.F32, b.F32, share)
			if err := same(got.ToNCHW().F32, c.Floats64(t, "slerp/"+name), 1e-5); err != nil {
				t.Errorf("slerp %s: %v", name, err)
			}
			if err := sampler.Vary(got, a, b, share); err != nil {
				t.Fatal(err)
			}
			if err := same(got.ToNCHW().F32, c.Floats64(t, "a1111_subseed/"+name), 1e-5); err != nil {
				t.Errorf("variation %s: %v", name, err)
			}
		}
	}
	for _, c := range golden.Cases(t, "rng/brownian-batch") {
		noise := method(t, "DPM++ 2M SDE").Noise(sampler.TorchCPU, []uint64{42, 43}, sampler.Path{Sigmas: []float64{10, 4, 1, .1, 0}})
		x := tensor.New(2, 6, 5, 4)
		noise(x, 0, 0) // the latent to begin with takes nothing from the path
		for i, s := range [][2]float64{{10, 4}, {4, 1}, {1, .1}} {
			noise(x, s[0], s[1])
			want := c.Output(t, "full").Row(i)
			for j, v := range x.ToNCHW().F32 {
				if math.Abs(float64(v-want.F32[j])) > 1e-4 {
					t.Fatalf("stretch %d, value %d: %g, want %g", i, j, v, want.F32[j])
				}
			}
		}
	}
}

// TestOwnNoise: a picture's noise depends on its seed alone, and increments on their
// noise levels alone.
func TestOwnNoise(t *testing.T) {
	draw := func(name string, seeds []uint64, stretches ...[2]float64) *tensor.Tensor {
		noise := method(t, name).Noise(sampler.OwnNoise, seeds, sampler.Path{Sigmas: []float64{10, 1, 0}})
		x := tensor.New(len(seeds), 40, 50, 4)
		for _, s := range stretches {
			noise(x, s[0], s[1])
		}
		return x
	}
	for _, name := range []string{"Euler a", "DPM++ 2M SDE"} {
		both := draw(name, []uint64{5, 6}, [2]float64{}, [2]float64{10, 8}, [2]float64{8, 7.5})
		alone := draw(name, []uint64{6}, [2]float64{}, [2]float64{10, 8}, [2]float64{8, 7.5})
		if !slices.Equal(both.Row(1).F32, alone.F32) {
			t.Errorf("%s: a picture of a batch has other noise than alone", name)
		}
	}
	direct := draw("DPM++ SDE", []uint64{1}, [2]float64{8, 7.5})
	late := draw("DPM++ SDE", []uint64{1}, [2]float64{14, 12}, [2]float64{12, 8}, [2]float64{8, 7.5})
	if !slices.Equal(direct.F32, late.F32) {
		t.Error("an increment depends on the steps before it")
	}
	variance := func(x *tensor.Tensor) (sum float64) {
		for _, v := range x.F32 {
			sum += float64(v) * float64(v) / float64(len(x.F32))
		}
		return sum
	}
	product := func(a, b *tensor.Tensor) (sum float64) {
		for i, v := range a.F32 {
			sum += float64(v) * float64(b.F32[i]) / float64(len(a.F32))
		}
		return sum
	}
	half, apart := draw("DPM++ SDE", []uint64{1}, [2]float64{8, 7.875}), draw("DPM++ SDE", []uint64{1}, [2]float64{7.5, 2})
	for what, c := range map[string][2]float64{
		"variance": {variance(direct), 1}, "variance of a part": {variance(half), 1}, "variance of a long stretch": {variance(apart), 1},
		"overlapping by a quarter": {product(direct, half), .5}, "apart": {product(direct, apart), 0},
		"small": {variance(draw("DPM++ SDE", []uint64{1}, [2]float64{.0301, .03})), 1},
	} {
		if math.Abs(c[0]-c[1]) > .05 {
			t.Errorf("%s: %g, want %g", what, c[0], c[1])
		}
	}
	if _, err := sampler.ParseSource("cuda"); !errors.Is(err, fault.Input) {
		t.Errorf("an unknown source: error %v", err)
	}
	for _, s := range []sampler.Source{sampler.OwnNoise, sampler.TorchCPU, sampler.TorchCUDA} {
		if got, err := sampler.ParseSource(s.String()); got != s || err != nil {
			t.Errorf("%v: %v, error %v", s, got, err)
		}
	}
}

// BenchmarkBrownian times the noise of one step of Stable Diffusion's size.
func BenchmarkBrownian(b *testing.B) {
	s, err := diffusion.NewSchedule(diffusion.Default())
	if err != nil {
		b.Fatal(err)
	}
	m := method(b, "DPM++ 2M SDE")
	p, err := m.Path(sampler.Schedule{}, s, 20)
	if err != nil {
		b.Fatal(err)
	}
	for _, source := range []sampler.Source{sampler.OwnNoise, sampler.TorchCPU} {
		b.Run(source.String(), func(b *testing.B) {
			x := tensor.New(1, 64, 64, 4)
			noise := m.Noise(source, []uint64{1}, p)
			for i := 0; b.Loop(); i++ {
				noise(x, p.Sigmas[i%19], p.Sigmas[i%19+1])
			}
		})
	}
}
