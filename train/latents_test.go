package train

import (
	"math"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// TestLatentsAreDrawn: the latents of a KL first stage that a second stage is trained on
// are drawn from the posterior at every step; they are no means.
func TestLatentsAreDrawn(t *testing.T) {
	dir := t.TempDir()
	pictures(t, dir)
	set, err := data.Open(dir, 16)
	if err != nil {
		t.Fatal(err)
	}
	var cfg autoencoder.Config
	if err := autoencoderConfig(t).Model.Decode(&cfg); err != nil {
		t.Fatal(err)
	}
	specs, err := model.ParamsOf(config.Target{Target: config.TargetAutoencoderKL, Params: autoencoderConfig(t).Model.Params})
	if err != nil {
		t.Fatal(err)
	}
	eng := cpu.New(cpu.Options{})
	w, err := eng.Load(nn.Initialize(specs, 1), engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stage := ldm.NewFirstStage(cfg, w, ldm.Options{Engine: eng})
	x, err := set.Image(0)
	if err != nil {
		t.Fatal(err)
	}
	moments, err := stage.Moments(t.Context(), tensor.Of(x.F32, 1, 16, 16, 3))
	if err != nil {
		t.Fatal(err)
	}
	mean, err := stage.Mode(moments)
	if err != nil {
		t.Fatal(err)
	}
	z, noise := make([]float32, len(mean.F32)), make([]float32, len(mean.F32))
	if err := newLatents(stage, &feed{Loader: data.Loader{Set: set}}).sample(t.Context(), z, &data.Pick{Index: 0}, tensor.NewStream(5)); err != nil {
		t.Fatal(err)
	}
	tensor.NewStream(5).Normal(noise)
	d := cfg.EmbedDim
	for i, got := range z {
		logvar := float64(moments.F32[i/d*2*d+d+i%d])
		want := float64(mean.F32[i]) + math.Exp(logvar/2)*float64(noise[i])
		if math.Abs(float64(got)-want) > 1e-5 {
			t.Fatalf("number %d is %g, want the mean %g and its noise: %g", i, got, mean.F32[i], want)
		}
	}
}
