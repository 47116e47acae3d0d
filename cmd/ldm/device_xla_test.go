//go:build xla

package main

import (
	"context"
	"fmt"
	"image/color"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ldm-go/ldm/engine/xla"
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

// All tests of commands compute on the device that LDM_TEST_DEVICE names.
func init() {
	if device := os.Getenv("LDM_TEST_DEVICE"); device != "" {
		defaultDevice = device
	}
}

// TestDevice: both trainings, commands that draw, the server and bench work on the device
// that LDM_TEST_DEVICE names, as cpu:1, and come to the processor's pictures.
func TestDevice(t *testing.T) {
	device := os.Getenv("LDM_TEST_DEVICE")
	if device == "" {
		t.Skip("LDM_TEST_DEVICE names no device")
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	var model string
	for _, on := range []string{"cpu", device} {
		at := filepath.Join(dir, filepath.Base(on))
		own := trained(t, at, on)
		if model == "" {
			model = own
		}
		for _, m := range []string{model, own} { // the same weights, and those trained here
			printed(t, "sample", "-m", m, "--class", "1", "-n", "2", "--steps", "2", "--cfg-scale", "2", "--seed", "1", "--device", on, "--force", "-o", filepath.Join(at, "drawn.png"))
			near(t, filepath.Join(dir, "cpu", "drawn.png"), filepath.Join(at, "drawn.png"))
		}
	}
	start := filepath.Join(dir, "start.png")
	if err := picture.Save(start, disc(16, color.RGBA{255, 0, 0, 255}), picture.Options{}); err != nil {
		t.Fatal(err)
	}
	printed(t, "reconstruct", start, "-m", model, "--device", device, "-o", filepath.Join(dir, "again.png"))
	served(t, device, model)
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

// trained is a small model of two classes, after two steps of both trainings on a device.
func trained(t *testing.T, dir, device string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{"stage.yaml": smallStage, "classes.yaml": smallClasses} {
		if err := os.WriteFile(at(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pictures := classes(t)
	data := []string{"--device", device, "data.train=" + pictures, "data.validation=" + pictures}
	printed(t, append([]string{"train", "autoencoder", "-c", at("stage.yaml"), "-o", at("stage")}, data...)...)
	printed(t, append([]string{"train", "diffusion", "-c", at("classes.yaml"), "-o", at("model"), "first_stage=" + filepath.Join(at("stage"), "model.safetensors")}, data...)...)
	return filepath.Join(at("model"), "model.safetensors")
}

// TestServeDevices: the server on two devices answers requests that come at once with the
// processor's pictures, and both devices share its runs.
func TestServeDevices(t *testing.T) {
	device := os.Getenv("LDM_TEST_DEVICE")
	if device == "" {
		t.Skip("LDM_TEST_DEVICE names no device")
	}
	var engine *xla.Engine
	opened = func(e *xla.Engine) { engine = e }
	defer func() { opened = func(*xla.Engine) {} }()
	kind, _, _ := strings.Cut(device, ":")
	model := trained(t, t.TempDir(), "cpu")
	want := served(t, "cpu", model)
	for i, path := range served(t, kind+":2", model) {
		near(t, want[i], path)
	}
	shared, whole := engine.Runs()
	t.Logf("%d runs were shared by two devices, %d done by each: the table of classes", shared, whole)
	if shared < 3 {
		t.Errorf("%d runs were shared, want two steps and the decoder's", shared)
	}
}

// served are the files of a server's pictures: three requests at once, one of them for
// three pictures.
func served(t *testing.T, device, model string) (paths []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	dir := t.TempDir()
	go func() {
		cmd := root()
		cmd.SetArgs([]string{"serve", "-m", model, "--device", device, "--listen", address, "--data", filepath.Join(dir, "data")})
		ended <- cmd.ExecuteContext(ctx)
	}()
	defer func() {
		stop()
		<-ended
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
	var all sync.WaitGroup
	for i, n := range []int{1, 3, 1} {
		all.Go(func() {
			cmd := root()
			cmd.SetArgs([]string{"sample", "--server", "http://" + address, "--class", "red", "-n", fmt.Sprint(n), "--steps", "2", "--cfg-scale", "2",
				"--seed", fmt.Sprint(10 * i), "-o", filepath.Join(dir, "%seed.png")})
			if err := cmd.Execute(); err != nil {
				t.Errorf("request %d: %v", i, err)
			}
		})
		for k := range n {
			paths = append(paths, filepath.Join(dir, fmt.Sprint(10*i+k, ".png")))
		}
	}
	all.Wait()
	return paths
}
