package ldm

import (
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// TestMode: the encoder gives mean and logarithm of the variance, side by
// side; the conditioning picture's latent is the mean, and not scaled.
func TestMode(t *testing.T) {
	stage := NewFirstStage(autoencoder.Config{Kind: autoencoder.KL, EmbedDim: 4}, nil, Options{})
	moments := tensor.Of([]float32{1, 2, 3, 4, 5, 6, 7, 8, -1, -2, -3, -4, 0, 0, 0, 0}, 1, 1, 2, 8)
	if got, err := stage.Mode(moments); err != nil || !slices.Equal(got.F32, []float32{1, 2, 3, 4, -1, -2, -3, -4}) {
		t.Errorf("mean %v, %v", got, err)
	}
	for _, bad := range []*tensor.Tensor{nil, {}, tensor.New(1, 1, 1, 4), {Shape: tensor.Shape{1, 8}}} {
		if _, err := stage.Mode(bad); err == nil {
			t.Errorf("an encoding of shape %v was taken", shapeOf(bad))
		}
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
	mode, err := m.stage.Mode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "condition", condition.F32, mode.F32)
}

// TestGuidance: e = e_u + s·(e_c - e_u), so that 0 gives the unconditional half.
func TestGuidance(t *testing.T) {
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
		g := &generation{Model: m, Request: Request{Negative: conditions[0], Condition: conditions[1], Guidance: scale}, encoded: map[any]Encoding{}}
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

// TestPictureSizes: the first stage's factor times that of the U-Net divides them.
func TestPictureSizes(t *testing.T) {
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
}
