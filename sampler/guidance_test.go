package sampler_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// same compares by the largest difference, relative to the largest value.
func same(got []float32, want []float64, tolerance float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d values, want %d", len(got), len(want))
	}
	var worst, most float64
	for i, w := range want {
		worst, most = max(worst, math.Abs(float64(got[i])-w)), max(most, math.Abs(w))
	}
	if !(worst <= tolerance*most) {
		return fmt.Errorf("error %g, want %g", worst/most, tolerance)
	}
	return nil
}

// says is a network whose outputs are given.
func says(outputs ...*tensor.Tensor) sampler.Network {
	return func(_ context.Context, _ *tensor.Tensor, _ float64, want ...int) (y []*tensor.Tensor, err error) {
		for _, i := range want {
			y = append(y, outputs[i])
		}
		return y, nil
	}
}

// saysClean is a schedule whose network says x0, so that outputs are predictions.
func saysClean(t testing.TB) *diffusion.Schedule {
	c := diffusion.Default()
	c.Parameterization = diffusion.X0
	s, err := diffusion.NewSchedule(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func clean(t *testing.T, d sampler.Denoiser, x *tensor.Tensor, at float64) []float32 {
	t.Helper()
	p, err := d(context.Background(), x, at)
	if err != nil {
		t.Fatal(err)
	}
	return p.X0.F32
}

func TestGuidance(t *testing.T) {
	for _, c := range golden.Cases(t, "guidance/cfg*") {
		s := saysClean(t)
		u := c.Input(t, "uncond")
		for name := range c.Outputs {
			g := sampler.TextAndPicture(7.5, 1.5)
			net := says
			var y []*tensor.Tensor
			if name == "combined" {
				y = []*tensor.Tensor{u, c.Input(t, "full"), c.Input(t, "image")}
			} else {
				y = []*tensor.Tensor{u, c.Input(t, "cond")}
				g = sampler.Guidance{}
				parts := strings.Split(name, "/")
				fmt.Sscan(parts[1], &g.Scale)
				if parts[0] == "rescale" {
					fmt.Sscan(parts[2], &g.Rescale)
				}
			}
			if err := same(clean(t, sampler.Guided(net(y...), s, g), u, 500), c.Floats64(t, name), 1e-6); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestGuidanceAsksForWhatCounts: the condition alone is asked for outside the
// interval and where the scale is 1.
func TestGuidanceAsksForWhatCounts(t *testing.T) {
	s := saysClean(t)
	x := tensor.New(1, 1, 1, 1)
	path, err := sampler.Even(s, 10)
	if err != nil {
		t.Fatal(err)
	}
	from, to := path.Between(.2, .7)
	for _, c := range []struct {
		g    sampler.Guidance
		t    float64
		want []int
	}{
		{sampler.Guidance{Scale: 1}, 500, []int{1}},
		{sampler.Guidance{Scale: 0}, 500, []int{0}},
		{sampler.Guidance{Scale: 3}, 500, []int{0, 1}},
		{sampler.Guidance{Scale: 3, From: from, To: to}, path.Timestep(1), []int{1}},
		{sampler.Guidance{Scale: 3, From: from, To: to}, path.Timestep(2), []int{0, 1}},
		{sampler.Guidance{Scale: 3, From: from, To: to}, path.Timestep(6), []int{0, 1}},
		{sampler.Guidance{Scale: 3, From: from, To: to}, path.Timestep(7), []int{1}},
		{sampler.Guidance{Scale: 3, Weights: []float64{1, .5}}, 500, []int{0, 1, 2}},
		{sampler.Guidance{Scale: 1, Weights: []float64{.5, .5}}, 500, []int{1, 2}},
		{sampler.TextAndPicture(4, 1), 500, []int{1, 2}},
	} {
		var asked []int
		net := func(_ context.Context, x *tensor.Tensor, _ float64, want ...int) (y []*tensor.Tensor, err error) {
			asked = want
			return slices.Repeat([]*tensor.Tensor{x}, len(want)), nil
		}
		clean(t, sampler.Guided(net, s, c.g), x, c.t)
		if !slices.Equal(asked, c.want) {
			t.Errorf("%+v at %g: asked for %v, want %v", c.g, c.t, asked, c.want)
		}
	}
}

func TestThresholds(t *testing.T) {
	for _, c := range golden.Cases(t, "guidance/*-prediction") {
		x0, eps := c.Input(t, "x0"), c.Input(t, "eps")
		times := c.Input(t, "t").I32
		bars := c.Input(t, "alphas_cumprod").F32
		noisy := tensor.New(x0.Shape...)
		for n, at := range times {
			a, b := math.Sqrt(float64(bars[at])), math.Sqrt(1-float64(bars[at]))
			for i := range noisy.Row(n).F32 {
				x := a*float64(x0.Row(n).F32[i]) + b*float64(eps.Row(n).F32[i])
				noisy.Row(n).F32[i] = float32((x - b*.9*float64(eps.Row(n).F32[i])) / a)
			}
		}
		s := saysClean(t)
		d := sampler.Unguided(says(nil, noisy), s, 1)
		for name := range c.Outputs {
			var got []float32
			if parts := strings.Split(name, "/"); parts[0] == "x0_thresholded" {
				var quantile, limit float64
				fmt.Sscan(parts[1], &quantile)
				fmt.Sscan(parts[2], &limit)
				got = clean(t, sampler.Thresholded(d, quantile, limit), x0, 500)
			} else if name == "x0_from_eps_clipped" {
				got = clean(t, sampler.Clipped(d), x0, 500)
			} else {
				continue // of package diffusion
			}
			if err := same(got, c.Floats64(t, name), 1e-5); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
