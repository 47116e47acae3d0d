package tiles

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/tensor"
)

// stage is a small first stage with its weights.
func stage(t *testing.T, cfg autoencoder.Config) Stage {
	c := chains(t, cfg)["decode"]
	return Stage{Config: cfg, Engine: c.Engine, Weights: c.Weights, Prefix: c.Prefix, Options: c.Options, MaxBytes: 1 << 40}
}

// TestStage: little memory changes nothing; less than any tile needs takes patches,
// and says so.
func TestStage(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes the same pictures many times")
	}
	defer func(w []int, b int) { windows, blockFloats = w, b }(windows, blockFloats)
	windows, blockFloats = []int{96, 64, 48}, 1<<14
	for name, cfg := range stages {
		s := stage(t, cfg)
		x := tensor.New(1, 96, 200, 3)
		tensor.NewStream(3).Normal(x.F32)
		for _, side := range []func(Stage, *tensor.Tensor) (*tensor.Tensor, error){
			func(s Stage, x *tensor.Tensor) (*tensor.Tensor, error) { return s.Encode(context.Background(), x) },
			func(s Stage, x *tensor.Tensor) (*tensor.Tensor, error) { return s.Decode(context.Background(), x) },
		} {
			want, err := side(s, x)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			little := s
			little.MaxBytes = 9 << 20
			got, err := side(little, x)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if e := golden.RelErr(got.F32, want.F32); !(e < 5e-6) {
				t.Errorf("%s in 9 MiB: error %g", name, e)
			}
			x = want // for the decoder: latents
			if cfg.Kind == autoencoder.KL {
				x = tensor.New(1, want.Shape[1], want.Shape[2], want.Shape[3]/2)
				copy(x.F32, want.F32)
			}
		}
	}
}

// TestSeams: across the borders of patches and of tiles the picture's steps are as
// large as beside them.
func TestSeams(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes the same pictures many times")
	}
	defer func(w []int, b int) { windows, blockFloats = w, b }(windows, blockFloats)
	windows, blockFloats = []int{96}, 1<<14
	s := stage(t, stages["KL"])
	z := tensor.New(1, 20, 224, 4)
	for i := range z.F32 { // smooth, so that a seam would stand out
		z.F32[i] = float32(math.Sin(float64(i/4%224)/40) + math.Cos(float64(i/4/224)/30) + float64(i%4))
	}
	for name, way := range map[string]Way{"tiles": Exact, "patches": Patches} {
		s.Way, s.MaxBytes = way, 12<<20
		borders := []int{}
		if way == Patches {
			s.MaxBytes = 1 << 40
			for _, at := range starts(224, 128, 96) {
				borders = append(borders, at, at+128)
			}
		} else {
			for at := range 224 / 8 {
				borders = append(borders, 8*at) // any: no tile may show
			}
		}
		y, err := s.Decode(context.Background(), z)
		if err != nil {
			t.Fatal(err)
		}
		width := y.Shape[2]
		step := make([]float64, width) // from each column to the next
		for i, v := range y.F32[:len(y.F32)-3] {
			if x := i / 3 % width; x < width-1 {
				step[x+1] += math.Abs(float64(y.F32[i+3] - v))
			}
		}
		for _, b := range borders {
			x := b * 4
			if x < 16 || x > width-16 {
				continue
			}
			var beside float64
			for d := 4; d <= 12; d += 4 { // at the same place of the upsampling's grid
				beside = max(beside, step[x-d], step[x+d])
			}
			if step[x] > 1.15*beside+1e-3 {
				t.Errorf("%s: the step across column %d is %.3g, beside it %.3g", name, x, step[x], beside)
			}
		}
	}
}

func TestTokens(t *testing.T) {
	if n := tokens(stages["KL"].EncodeSteps(), 64, 128); n != 16*32 {
		t.Errorf("attention over %d pixels", n)
	}
	s := stage(t, stages["KL"])
	var said []string
	s.Log = func(line string) { said = append(said, line) }
	s.MaxBytes = 1 << 20
	z := tensor.New(1, 12, 12, 4)
	if _, err := s.Decode(context.Background(), z); err == nil || len(said) != 1 || !strings.Contains(said[0], "patches") {
		t.Errorf("in 1 MiB: %v, %q", err, said)
	}
}
