//go:build xla

package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ldm-go/ldm/picture"
)

const (
	smallStage = `
model:
  target: ldm.models.autoencoder.AutoencoderKL
  params: {embed_dim: 2, ddconfig: {double_z: true, z_channels: 2, resolution: 16, in_channels: 3, out_ch: 3, ch: 32, ch_mult: [1, 2], num_res_blocks: 1, attn_resolutions: []}}
loss: {l1: 1, perceptual: 0, kl: 1.0e-6}
data: {size: 16}
train: {steps: 2, batch_size: 2, accumulate: 2, learning_rate: 1.0e-4, warmup: 0, ema_decay: 0.5}
`
	smallClasses = `
model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    image_size: 8
    conditioning_key: crossattn
    cond_stage_key: class_label
    unet_config: {target: ldm.modules.diffusionmodules.openaimodel.UNetModel, params: {in_channels: 2, out_channels: 2, model_channels: 32, channel_mult: [1, 2], num_res_blocks: 1, attention_resolutions: [2], num_head_channels: 16, use_spatial_transformer: true, context_dim: 16}}
    cond_stage_config: {target: ldm.modules.encoders.modules.ClassEmbedder, params: {embed_dim: 16, n_classes: 2}}
data: {size: 16}
train: {steps: 2, batch_size: 2, learning_rate: 1.0e-4, warmup: 0, ema_decay: 0.5}
samples: {steps: 2}
`
)

// TestDevice: both trainings, commands that draw, the server and bench work on the device
// that LDM_TEST_DEVICE names, as cpu:1, and come to the processor's pictures.
func TestDevice(t *testing.T) {
	device := os.Getenv("LDM_TEST_DEVICE")
	if device == "" {
		t.Skip("LDM_TEST_DEVICE names no device")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir, pictures := t.TempDir(), classes(t)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	stage, second := write("stage.yaml", smallStage), write("classes.yaml", smallClasses)
	var model string
	for _, on := range []string{"cpu", device} {
		at := func(name string) string { return filepath.Join(dir, filepath.Base(on)+"-"+name) }
		printed(t, "train", "autoencoder", "-c", stage, "-o", at("stage"), "--device", on, "data.train="+pictures, "data.validation="+pictures)
		printed(t, "train", "diffusion", "-c", second, "-o", at("model"), "--device", on, "data.train="+pictures, "data.validation="+pictures,
			"first_stage="+filepath.Join(at("stage"), "model.safetensors"))
		if model == "" {
			model = filepath.Join(at("model"), "model.safetensors")
		}
		for _, m := range []string{model, filepath.Join(at("model"), "model.safetensors")} { // the same weights, and those trained here
			printed(t, "sample", "-m", m, "--class", "1", "-n", "2", "--steps", "2", "--cfg-scale", "2", "--seed", "1", "--device", on, "--force", "-o", at("drawn.png"))
			near(t, filepath.Join(dir, "cpu-drawn.png"), at("drawn.png"))
		}
	}
	printed(t, "reconstruct", filepath.Join(pictures, "red", "0.png"), "-m", model, "--device", device, "-o", filepath.Join(dir, "again.png"))
	serveOn(t, device, model)
	if !testing.Short() {
		printed(t, "bench", "ae_train", "--pixels", "32", "--batch", "1", "--runs", "1", "--device", device)
	}
}

// near wants two pictures to differ by no more than rounding, of which training makes more.
func near(t *testing.T, a, b string) {
	t.Helper()
	x, err := picture.Decode(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := picture.Decode(b)
	if err != nil || x.Rect != y.Rect {
		t.Fatal(x.Rect, y.Rect, err)
	}
	worst := 0
	for i := range x.Pix {
		worst = max(worst, int(x.Pix[i])-int(y.Pix[i]), int(y.Pix[i])-int(x.Pix[i]))
	}
	if worst > 3 {
		t.Errorf("%s and %s differ by %d of 255", a, b, worst)
	}
}

// serveOn draws on a server that computes on the device.
func serveOn(t *testing.T, device, model string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		cmd := root()
		cmd.SetArgs([]string{"serve", "-m", model, "--device", device, "--listen", address, "--data", filepath.Join(t.TempDir(), "data")})
		ended <- cmd.ExecuteContext(ctx)
	}()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if r, err := http.Get("http://" + address + "/"); err == nil {
			r.Body.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("the server does not answer")
		}
	}
	out := filepath.Join(t.TempDir(), "served.png")
	printed(t, "sample", "--server", "http://"+address, "--class", "red", "--steps", "2", "--cfg-scale", "2", "--seed", "1", "-o", out)
	if w, h, err := picture.Size(out); err != nil || w != 16 || h != 16 {
		t.Errorf("served: %dx%d, %v", w, h, err)
	}
	stop()
	<-ended
}
