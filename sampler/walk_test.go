package sampler_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// TestEverySampler: a sampler stops where its caller stops, ends at a cancelled
// context, reports what fails with the step, and leaves x in the variance preserving
// scale.
func TestEverySampler(t *testing.T) {
	s := saysClean(t)
	m := mixture{[]float64{1, 1}, []float64{.3, .5}, [][]float64{{1, -1}, {-1, 0}}}
	var seen []float64
	good := m.denoiser(s, &seen)
	for _, method := range sampler.Methods() {
		p, err := method.Path(sampler.Schedule{}, s, 8)
		if err != nil {
			t.Fatal(err)
		}
		start := func() *tensor.Tensor {
			x := tensor.New(1, 2, 2, 2)
			sampler.Streams([]uint64{3})(x, 0, 0)
			return x
		}
		run := func(ctx context.Context, d sampler.Denoiser, x *tensor.Tensor, stop int) (last sampler.State, err error) {
			o := sampler.Options{Eta: method.Eta, Noise: method.Noise(sampler.OwnNoise, []uint64{3}, p)}
			for state, err := range method.Sample(ctx, d, x, p, o) {
				if err != nil {
					return last, err
				}
				if last = state; state.Step == stop {
					break
				}
			}
			return last, nil
		}
		x, y := start(), start()
		if last, err := run(t.Context(), good, x, 2); err != nil || last.Step != 2 || last.X != x || last.X0 == nil {
			t.Errorf("%s: stopped after step %d; error %v", method.Name, last.Step, err)
		}
		if size := norm(x); size > 3*norm(y) {
			t.Errorf("%s: after a stop x is %g long, having been %g", method.Name, size, norm(y))
		}
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		_, err = run(ctx, func(ctx context.Context, x *tensor.Tensor, t float64) (sampler.Prediction, error) {
			if calls++; calls == 3 {
				cancel()
			}
			return good(ctx, x, t)
		}, start(), 0)
		if !errors.Is(err, context.Canceled) || calls > 3 {
			t.Errorf("%s: cancelled, %d calls; error %v", method.Name, calls, err)
		}
		broken := errors.New("broken")
		calls = 0
		_, err = run(t.Context(), func(ctx context.Context, x *tensor.Tensor, t float64) (sampler.Prediction, error) {
			if calls++; calls == 2 {
				return sampler.Prediction{}, broken
			}
			return good(ctx, x, t)
		}, start(), 0)
		if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "step ") || calls > 2 {
			t.Errorf("%s: a failing denoiser, %d calls: error %v", method.Name, calls, err)
		}
		_, err = run(t.Context(), func(ctx context.Context, x *tensor.Tensor, t float64) (sampler.Prediction, error) {
			p, err := good(ctx, x, t)
			p.X0.F32[0] = float32(math.NaN())
			return p, err
		}, start(), 0)
		if err == nil || !strings.Contains(err.Error(), "not finite") {
			t.Errorf("%s: a NaN: error %v", method.Name, err)
		}
		if method.Random {
			for _, err := range method.Sample(t.Context(), good, start(), long(t, method), sampler.Options{Eta: 1}) {
				if err != nil {
					if !errors.Is(err, fault.Input) {
						t.Errorf("%s: no noise: error %v", method.Name, err)
					}
					break
				}
			}
		}
		for _, steps := range []int{1, 2, 3, 50} {
			few, err := method.Path(sampler.Schedule{}, s, steps)
			if err != nil {
				t.Fatal(err)
			}
			x := start()
			o := sampler.Options{Eta: method.Eta, Noise: method.Noise(sampler.OwnNoise, []uint64{3}, few)}
			for _, err := range method.Sample(t.Context(), good, x, few, o) {
				if err != nil {
					t.Errorf("%s: %d steps: error %v", method.Name, steps, err)
				}
			}
			if size := norm(x); math.IsNaN(size) || math.IsInf(size, 0) {
				t.Errorf("%s: %d steps end %g long", method.Name, steps, size)
			}
		}
		checkOptions(t, method, good, start)
		// Pictures of a batch do not see each other, but where steps follow from all.
		if method.Name != "DPM adaptive" {
			both := tensor.New(2, 2, 2, 2)
			o := sampler.Options{Eta: method.Eta, Noise: method.Noise(sampler.OwnNoise, []uint64{9, 3}, p)}
			sampler.Streams([]uint64{9, 3})(both, 0, 0)
			for _, err := range method.Sample(t.Context(), good, both, p, o) {
				if err != nil {
					t.Fatal(err)
				}
			}
			alone := start()
			if _, err := run(t.Context(), good, alone, 0); err != nil || !slices.Equal(alone.F32, both.Row(1).F32) {
				t.Errorf("%s: a picture of a batch is another than alone; error %v", method.Name, err)
			}
		}
	}
	for name, p := range map[string]sampler.Path{
		"none": {}, "rising": {Schedule: s, Sigmas: []float64{1, 2, 0}}, "NaN": {Schedule: s, Sigmas: []float64{math.NaN(), 0}},
		"infinite": {Schedule: s, Sigmas: []float64{math.Inf(1), 1}}, "negative": {Schedule: s, Sigmas: []float64{1, -1}}, "equal": {Schedule: s, Sigmas: []float64{1, 1, 0}},
	} {
		for _, err := range sampler.Euler(t.Context(), good, tensor.New(1, 1, 1, 2), p, sampler.Options{}) {
			if !errors.Is(err, fault.Input) {
				t.Errorf("path %s: error %v", name, err)
			}
		}
	}
}

// TestZeroTerminalSNR: models that begin with pure noise, and say v, are sampled by
// all.
func TestZeroTerminalSNR(t *testing.T) {
	c := diffusion.Default()
	c.ZeroSNR, c.Parameterization = true, diffusion.V
	s, err := diffusion.NewSchedule(c)
	if err != nil {
		t.Fatal(err)
	}
	m := mixture{[]float64{1}, []float64{.1}, [][]float64{{1, -1}}}
	for _, method := range sampler.Methods() {
		p, err := method.Path(sampler.Schedule{}, s, 30)
		if err != nil {
			t.Fatal(err)
		}
		if at := p.Timestep(0); method.Name != "DPM fast" && method.Name != "DPM adaptive" && at < 979 {
			t.Errorf("%s begins at timestep %g", method.Name, at)
		}
		x := tensor.New(1, 4, 4, 2)
		noise := method.Noise(sampler.OwnNoise, []uint64{1}, p)
		noise(x, 0, 0)
		var seen []float64
		exact := m.network(s, false, nil, &seen)
		for _, err := range method.Sample(t.Context(), exact, x, p, sampler.Options{Eta: method.Eta, Noise: noise}) {
			if err != nil {
				t.Fatalf("%s: %v", method.Name, err)
			}
		}
		for i, v := range x.F32 {
			if want := []float32{1, -1}[i%2]; v < want-1 || v > want+1 {
				t.Errorf("%s: value %d is %g, want about %g", method.Name, i, v, want)
				break
			}
		}
	}
}

// checkOptions: an option changes what comes out, or is refused.
func checkOptions(t *testing.T, m sampler.Method, d sampler.Denoiser, start func() *tensor.Tensor) {
	p := long(t, m)
	run := func(f sampler.Func, o sampler.Options) ([]float32, error) {
		x := start()
		o.Noise = m.Noise(sampler.OwnNoise, []uint64{3}, p)
		for _, err := range f(t.Context(), d, x, p, o) {
			if err != nil {
				return nil, err
			}
		}
		return x.F32, nil
	}
	want, err := run(m.Sample, sampler.Options{Eta: m.Eta})
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]sampler.Options{
		"eta": {Eta: .7}, "order": {Eta: m.Eta, Order: 2}, "midpoint": {Eta: m.Eta, Midpoint: .3}, "adaptive": {Eta: m.Eta, Adaptive: sampler.Adaptive{Relative: .1}},
		"churn": {Eta: m.Eta, Churn: sampler.Churn{Amount: 3}}, "scale": {Eta: m.Eta, NoiseScale: 1.1}, "rounds": {Eta: m.Eta, Rounds: 2},
	} {
		got, err := run(m.Sample, o)
		if refused := errors.Is(err, fault.Input); refused {
			got, err = run(m.Run, o)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s refuses option %s, which has an effect; error %v", m.Name, name, err)
			}
		} else if err != nil || slices.Equal(got, want) {
			t.Errorf("%s takes option %s, which has no effect; error %v", m.Name, name, err)
		}
	}
	for name, o := range map[string]sampler.Options{"eta": {Eta: -1}, "scale": {NoiseScale: math.NaN()}, "churn": {Churn: sampler.Churn{Amount: -1}}} {
		if _, err := run(m.Sample, o); !errors.Is(err, fault.Input) {
			t.Errorf("%s: negative %s: error %v", m.Name, name, err)
		}
	}
}

func long(t *testing.T, m sampler.Method) sampler.Path {
	p, err := m.Path(sampler.Schedule{}, saysClean(t), 24)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func norm(x *tensor.Tensor) (sum float64) {
	for _, v := range x.F32 {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum)
}

// BenchmarkStep times what a step costs besides the network, at the size of Stable
// Diffusion's latents.
func BenchmarkStep(b *testing.B) {
	s := saysClean(b)
	out := sampler.Prediction{X0: tensor.New(1, 64, 64, 4), Eps: tensor.New(1, 64, 64, 4)}
	d := func(context.Context, *tensor.Tensor, float64) (sampler.Prediction, error) { return out, nil }
	for _, method := range sampler.Methods() {
		b.Run(method.Name, func(b *testing.B) {
			p, err := method.Path(sampler.Schedule{}, s, 20)
			if err != nil {
				b.Fatal(err)
			}
			x := tensor.New(1, 64, 64, 4)
			noise := method.Noise(sampler.OwnNoise, []uint64{1}, p)
			b.ReportAllocs()
			for b.Loop() {
				noise(x, 0, 0)
				for _, err := range method.Sample(b.Context(), d, x, p, sampler.Options{Eta: method.Eta, Noise: noise}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/20, "µs/step")
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"DPM++ 2M Karras", "k_euler_a", "", "kkkk", "automatic", "sample_gpu", "é++", "ddim uniform karras"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		m, _, err := sampler.Parse(name)
		if (err == nil) != (m.Run != nil) || err != nil && (!errors.Is(err, fault.Input) || len(err.Error()) > 2000) {
			t.Errorf("%q: %q, error %v", name, m.Name, err)
		}
	})
}
