package ldm

import (
	"context"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/diffusion"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// TestSamplingTraps: schedules, DDIM and guidance are the reference's.
func TestSamplingTraps(t *testing.T) {
	t.Run("05 DDIM counts from 1", ddimSteps)
	t.Run("08 KL latents", posteriors)
	t.Run("10 steps of DDIM", ddimGrid)
	t.Run("10 the last step ends at the first alpha", ddimTrajectory)
	t.Run("11 a mask of 1 keeps", masks)
	t.Run("12 guidance leads from the first half", guidance)
	t.Run("13 linear is linear in the root", linearSchedule)
	t.Run("21 sizes of pictures", pictureSizes)
}

// linear is the schedule of most models.
func linear(t *testing.T, start, end float64) *diffusion.Schedule {
	t.Helper()
	c := diffusion.Default()
	c.LinearStart, c.LinearEnd = start, end
	s, err := diffusion.NewSchedule(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func compVis(t *testing.T, s *diffusion.Schedule, steps int) sampler.Path {
	t.Helper()
	path, err := sampler.CompVis(s, steps)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// last runs a sampler to its end.
func last(t *testing.T, states iter.Seq2[sampler.State, error]) {
	t.Helper()
	for _, err := range states {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// fake is a denoiser whose noise is a formula.
func fake(s *diffusion.Schedule, seen func(x *tensor.Tensor, t float64)) sampler.Denoiser {
	return sampler.Unguided(func(_ context.Context, x *tensor.Tensor, t float64, _ ...int) ([]*tensor.Tensor, error) {
		seen(x, t)
		out := tensor.New(x.Shape...)
		for i, v := range x.F32 {
			out.F32[i] = float32(fakeNoise(float64(v), t))
		}
		return []*tensor.Tensor{out}, nil
	}, s, 1)
}

func unseen(*tensor.Tensor, float64) {}

func fakeNoise(x, t float64) float64 { return math.Sin(x) * (t + 100) / 1000 }

func ddimSteps(t *testing.T) {
	var seen []float64
	s := linear(t, .0015, .0195)
	d := fake(s, func(_ *tensor.Tensor, step float64) { seen = append(seen, step) })
	last(t, sampler.DDIM(context.Background(), d, random(1, 1, 2, 2, 1), compVis(t, s, 4), sampler.Options{}))
	if want := []float64{751, 501, 251, 1}; !slices.Equal(seen, want) {
		t.Errorf("timesteps %v, want %v", seen, want)
	}
}

// posteriors: the encoder gives mean and logarithm of the variance, side by
// side; the conditioning picture's latent is the mean, and not scaled.
func posteriors(t *testing.T) {
	stage := NewFirstStage(smallStage(autoencoder.KL), nil, Options{})
	moments := tensor.Of([]float32{1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -4, 0, 0, 0, 0}, 1, 1, 2, 8)
	if got := stage.Mode(moments).F32; !slices.Equal(got, []float32{1, 2, 3, 4, -1, -2, -3, -4}) {
		t.Errorf("mean %v", got)
	}
	for logvar, want := range map[float32]float64{0: 1, 2: math.E, 100: math.Exp(10), -100: math.Exp(-15)} {
		near(t, "sample", []float32{autoencoder.SampleFrom(1, logvar, .5)}, []float32{float32(1 + want/2)})
	}
	m := tinyModel(t, tinyParams+"cond_stage_config="+config.FirstStageAsCond, tinyParams+"conditioning_key=concat", tinyParams+"scale_factor=0.5",
		tinyUNet+"in_channels=8", tinyUNet+"use_spatial_transformer=false", tinyUNet+"context_dim=0")
	x := random(1, 1, 8, 8, 3)
	encoded, err := m.stage.Moments(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	condition, err := m.encodePicture(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "condition", condition.F32, m.stage.Mode(encoded).F32)
}

// ddimGrid: a stride of T/S rounded down, from 1, gives more steps than asked
// for, and for many numbers one past the end.
func ddimGrid(t *testing.T) {
	s := linear(t, .0015, .0195)
	for steps, want := range map[int]int{50: 50, 200: 200, 400: 500, 30: 31} {
		path := compVis(t, s, steps)
		if n := path.Steps(); n != want || path.Timestep(n-1) != 1 || path.Timestep(n-2) != float64(1+1000/steps) {
			t.Errorf("%d steps: %d from %g, %g, want %d from 1, %d", steps, n, path.Timestep(n-1), path.Timestep(n-2), want, 1+1000/steps)
		}
	}
	var bad []int
	for steps := 1; steps <= 1000; steps++ {
		if _, err := sampler.CompVis(s, steps); err != nil {
			bad = append(bad, steps)
		}
	}
	var want []int
	for _, r := range [][2]int{{3, 3}, {9, 9}, {27, 27}, {36, 37}, {101, 111}, {251, 333}, {501, 1000}} {
		for s := r[0]; s <= r[1]; s++ {
			want = append(want, s)
		}
	}
	if !slices.Equal(bad, want) {
		t.Errorf("the grid runs over the end for %v, want %v", bad, want)
	}
}

// ddimTrajectory follows one number through all steps in float64.
func ddimTrajectory(t *testing.T) {
	s := linear(t, .0015, .0195)
	path := compVis(t, s, 10)
	for _, eta := range []float64{0, .7} {
		x := tensor.Of([]float32{1.5}, 1, 1, 1, 1)
		want, draw := 1.5, float32(-4)
		noise := func(dst *tensor.Tensor, _, _ float64) { dst.F32[0], draw = draw, draw+1 }
		last(t, sampler.DDIM(context.Background(), fake(s, unseen), x, path, sampler.Options{Eta: eta, Noise: noise}))
		for step := range path.Steps() {
			at := 901 - 100*step
			a, prev := s.AlphasCumprod[at], s.AlphasCumprod[max(at-100, 0)]
			sigma := eta * math.Sqrt((1-prev)/(1-a)*(1-a/prev))
			e := fakeNoise(want, float64(at))
			x0 := (want - math.Sqrt(1-a)*e) / math.Sqrt(a)
			want = math.Sqrt(prev)*x0 + math.Sqrt(1-prev-sigma*sigma)*e + sigma*(float64(step)-4)
		}
		near(t, "trajectory", x.F32, []float32{float32(want)})
	}
}

// masks: before each step, what is under a 1 becomes the known latent with the
// noise of that step.
func masks(t *testing.T) {
	s := linear(t, .0015, .0195)
	path := compVis(t, s, 5)
	known, mask := random(1, 1, 1, 2, 3), tensor.Of([]float32{1, 0}, 1, 1, 2, 1)
	step := uint64(0)
	noise := func(dst *tensor.Tensor, _, _ float64) {
		copy(dst.F32, random(step, dst.Shape...).F32)
		step++
	}
	free, masked := random(7, 1, 1, 2, 3), random(7, 1, 1, 2, 3)
	last(t, sampler.DDIM(context.Background(), fake(s, unseen), free, path, sampler.Options{}))
	d := fake(s, func(x *tensor.Tensor, at float64) {
		want := make([]float32, 3)
		s.QSample(want, known.F32[:3], random(step-1, 1, 1, 2, 3).F32[:3], int(at))
		near(t, "what is kept", x.F32[:3], want)
	})
	last(t, sampler.DDIM(context.Background(), sampler.Keep(d, s, mask, known, noise), masked, path, sampler.Options{}))
	near(t, "what is made", masked.F32[3:], free.F32[3:])
}

// guidance: e = e_u + s·(e_c - e_u), so that 0 gives the unconditional half.
func guidance(t *testing.T) {
	m := tinyModel(t)
	x := random(1, 2, 4, 4, 4)
	var e [2][]float32 // without and with the conditions
	conditions := []Each{{Class(4), Class(4)}, {Class(1), Class(2)}}
	for i, both := range conditions {
		var encodings []Encoding
		for _, c := range both {
			one, err := c.Encode(t.Context(), m, 8, 8)
			if err != nil {
				t.Fatal(err)
			}
			encodings = append(encodings, one)
		}
		y, err := m.Predict(t.Context(), x, 300, encodings)
		if err != nil {
			t.Fatal(err)
		}
		e[i] = y.F32
	}
	for _, scale := range []float64{.5, 1, 5} {
		g := &generation{Model: m, Request: Request{Negative: conditions[0], Condition: conditions[1], Guidance: scale}, encoded: map[Condition]Encoding{}}
		denoise, err := (&part{generation: g, x: x, rows: 2}).denoiser(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got, err := denoise(t.Context(), x, 300)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float32, len(e[0]))
		for i, u := range e[0] {
			want[i] = u + float32(scale)*(e[1][i]-u)
		}
		near(t, "guided", got.Eps.F32, want)
	}
}

func linearSchedule(t *testing.T) {
	for _, c := range []struct{ start, end, middle, last float64 }{
		{.0015, .0195, .11584449, 1.42303975e-4},
		{.0015, .0155, .15107742, 6.68665174e-4},
		{.0015, .0205, .10857600, 9.69108668e-5},
		{.00085, .012, .27766965, 4.66009851e-3},
		{.0015, .015, .15630709, 8.12518471e-4},
	} {
		bars := linear(t, c.start, c.end).AlphasCumprod
		for step, want := range map[int]float64{0: 1 - c.start, 499: c.middle, 999: c.last} {
			if math.Abs(bars[step]-want) > 5e-8*want {
				t.Errorf("%g to %g: product %d is %.9g, want %.9g", c.start, c.end, step, bars[step], want)
			}
		}
	}
	c := diffusion.Default()
	c.BetaSchedule, c.LinearStart, c.LinearEnd = diffusion.SqrtLinear, .1, .3
	c.Timesteps = 3
	betas, err := c.Betas()
	if err != nil || math.Abs(betas[1]-.2) > 1e-12 {
		t.Errorf("sqrt_linear: %v, want .2 in the middle; error %v", betas, err)
	}
}

// pictureSizes: the first stage's factor times that of the U-Net divides them.
func pictureSizes(t *testing.T) {
	for unit, levels := range map[int][2]int{32: {3, 4}, 16: {3, 3}, 64: {4, 4}, 128: {4, 5}} {
		stage := autoencoder.Config{DD: autoencoder.DDConfig{ChMult: slices.Repeat([]int{1}, levels[0])}}
		if got := stage.Factor() * (unet.Config{ChannelMult: slices.Repeat([]int{1}, levels[1])}).Factor(); got != unit {
			t.Errorf("%d levels of the first stage, %d of the U-Net: %d, want %d", levels[0], levels[1], got, unit)
		}
	}
	m := tinyModel(t)
	request := Request{Condition: Class(1), Seeds: []uint64{1}, Steps: 1, Guidance: 1, Width: 21, Height: 18}
	_, err := m.Generate(t.Context(), request)
	if err == nil || !strings.Contains(err.Error(), "pictures of 21x18: width and height must be multiples of 4; the nearest is 20x20") {
		t.Errorf("21x18 pixels: error %v", err)
	}
	request.Width, request.Height = 20, 8
	y, err := m.Generate(t.Context(), request)
	if err != nil || !y.Pixels.Shape.Equal(tensor.Shape{1, 8, 20, 3}) {
		t.Errorf("20x8 pixels: error %v", err)
	}
	g := graph.New()
	transformerUNet().Build(nn.NewBuilder(g), unet.Inputs{X: g.Input("x", 1, 3, 4, 2), T: g.Input("t", 1), Context: g.Input("context", 1, 1, 8)})
	if err := g.Err(); err == nil || !strings.Contains(err.Error(), "latents of 4x3: width and height must be multiples of 2") {
		t.Errorf("latents of 4x3: error %v", err)
	}
}
