package train

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/internal/golden/device"
	"github.com/ldm-go/ldm/internal/testsize"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// pictures writes a few pictures with captions.
func pictures(t testing.TB, dir string) {
	t.Helper()
	var lines strings.Builder
	for i := range 6 {
		img := image.NewRGBA(image.Rect(0, 0, 16, 16))
		s := tensor.NewStream(uint64(i))
		for k := range img.Pix {
			img.Pix[k] = byte(s.IntN(256)) | byte(k%4/3*255)
		}
		if err := picture.Save(filepath.Join(dir, fmt.Sprintf("%d.png", i)), img, picture.Options{}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, `{"file_name":"%d.png","text":"picture %d","texts":["number %d"]}`+"\n", i, i, i)
	}
	if err := os.WriteFile(filepath.Join(dir, data.MetadataFile), []byte(lines.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

const tinyAutoencoder = `
model:
  target: ldm.models.autoencoder.AutoencoderKL
  params: {embed_dim: 2, ddconfig: {double_z: true, z_channels: 2, resolution: 16, in_channels: 3, out_ch: 3, ch: 32, ch_mult: [1, 1], num_res_blocks: 1, attn_resolutions: []}}
loss: {l1: 1, perceptual: 0, kl: 1.0e-6}
data: {size: 16, flip: true}
train: {batch_size: 2, learning_rate: 1.0e-3, warmup: 2, ema_decay: 0.9, clip: 1, log_every: 2, validate_every: 4, sample_every: 4, save_every: 2}
`

const tinyDiffusion = `
model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    linear_start: 0.0015
    linear_end: 0.0195
    image_size: 8
    scale_by_std: true
    conditioning_key: crossattn
    unet_config: {target: ldm.modules.diffusionmodules.openaimodel.UNetModel, params: {in_channels: 2, out_channels: 2, model_channels: 32, channel_mult: [1, 2], num_res_blocks: 1, attention_resolutions: [2], num_head_channels: 16, use_spatial_transformer: true, context_dim: 16}}
    cond_stage_config: {target: ldm.modules.encoders.modules.BERTEmbedder, params: {n_embed: 16, n_layer: 1, vocab_size: 400, max_seq_len: 8, heads: 2, dim_head: 8}}
data: {size: 16, flip: true}
train: {batch_size: 2, learning_rate: 1.0e-3, warmup: 2, ema_decay: 0.9, clip: 1, log_every: 2, validate_every: 4, sample_every: 4, save_every: 2}
samples: {steps: 2, scale: 2, prompts: [picture 1]}
`

func autoencoderConfig(t testing.TB, overrides ...string) AutoencoderConfig {
	t.Helper()
	cfg := DefaultAutoencoder()
	if err := config.Parse(&cfg, "tiny", []byte(tinyAutoencoder), overrides); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func trainAutoencoder(t testing.TB, folder, run string, overrides ...string) error {
	cfg := autoencoderConfig(t, append(overrides, "data.train="+folder, "data.validation="+folder)...)
	return Autoencoder(context.Background(), cfg, Run{Dir: run, Engine: device.Engine(t)})
}

func sameTensors(t *testing.T, a, b string) {
	t.Helper()
	fa, err := checkpoint.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	defer fa.Close()
	fb, err := checkpoint.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	defer fb.Close()
	if len(fa.Names()) == 0 || len(fa.Names()) != len(fb.Names()) {
		t.Fatalf("%d and %d tensors", len(fa.Names()), len(fb.Names()))
	}
	for _, name := range fa.Names() {
		x, errX := fa.Read(name)
		y, errY := fb.Read(name)
		if errX != nil || errY != nil {
			t.Fatal(errX, errY)
		}
		for i := range x.F32 {
			if math.Float32bits(x.F32[i]) != math.Float32bits(y.F32[i]) {
				t.Fatalf("%s[%d]: %g and %g", name, i, x.F32[i], y.F32[i])
			}
		}
	}
}

// TestResume: N+M steps are the same bits as N, a stop, and M more, for both stages.
func TestResume(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of training")
	}
	folder, runs := t.TempDir(), t.TempDir()
	pictures(t, folder)
	whole, halves := filepath.Join(runs, "whole"), filepath.Join(runs, "halves")
	for _, call := range []struct{ run, steps string }{{whole, "7"}, {halves, "3"}, {halves, "7"}} {
		if err := trainAutoencoder(t, folder, call.run, "train.steps="+call.steps); err != nil {
			t.Fatal(err)
		}
	}
	sameTensors(t, filepath.Join(whole, CheckpointFile), filepath.Join(halves, CheckpointFile))

	first := filepath.Join(whole, ModelFile)
	whole, halves = filepath.Join(runs, "whole2"), filepath.Join(runs, "halves2")
	for _, call := range []struct{ run, steps string }{{whole, "5"}, {halves, "2"}, {halves, "5"}} {
		cfg := DefaultDiffusion()
		if err := config.Parse(&cfg, "tiny", []byte(tinyDiffusion), []string{"first_stage=" + first, "data.train=" + folder, "data.validation=" + folder, "train.steps=" + call.steps}); err != nil {
			t.Fatal(err)
		}
		if err := Diffusion(context.Background(), cfg, Run{Dir: call.run, Engine: cpu.New(cpu.Options{})}); err != nil {
			t.Fatal(err)
		}
	}
	sameTensors(t, filepath.Join(whole, CheckpointFile), filepath.Join(halves, CheckpointFile))
	m, err := ldm.Open(filepath.Join(whole, ModelFile), ldm.Options{Engine: cpu.New(cpu.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	checkBatch(t, m)
}

// checkBatch: a picture of a batch is the same bits as the one made alone.
func checkBatch(t *testing.T, m *ldm.Model) {
	t.Helper()
	request := ldm.Request{Condition: ldm.Each{ldm.Prompt("picture 1"), ldm.Prompt("number 3")}, Seeds: []uint64{5, 6}, Steps: 3, Guidance: 2, Eta: new(.5)}
	both, err := m.Generate(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	request.Condition, request.Seeds = ldm.Prompt("number 3"), request.Seeds[1:]
	alone, err := m.Generate(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range both.Pixels.Row(1).F32 {
		if v != alone.Pixels.F32[i] {
			t.Fatalf("pixel %d is %g in a batch and %g alone", i, v, alone.Pixels.F32[i])
		}
	}
}

// TestStop: a cancelled run saves, and reports that it was cancelled.
func TestStop(t *testing.T) {
	folder, run := t.TempDir(), t.TempDir()
	pictures(t, folder)
	ctx, cancel := context.WithCancel(context.Background())
	cfg := autoencoderConfig(t, "data.train="+folder, "train.steps=1000", "train.save_every=1000")
	err := Autoencoder(ctx, cfg, Run{Dir: run, Engine: cpu.New(cpu.Options{}), Line: func(line string) {
		if strings.HasPrefix(line, "step 4/") {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	f, err := checkpoint.Open(filepath.Join(run, CheckpointFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if step := f.Metadata()[metaStep]; step != "4" {
		t.Errorf("saved at step %s, want 4", step)
	}
}

// killed tells a child process which run to train until it is killed.
const killed = "LDM_TEST_KILLED_RUN"

// TestKill: kill -9 at twenty random moments loses nothing but the steps since
// the last checkpoint: it is always whole, never an older one, and training goes
// on from it to the same bits, with two optimisers and restarts of codes.
func TestKill(t *testing.T) {
	steps := []string{"train.steps=40", "train.save_every=1", "train.validate_every=10", "train.sample_every=10"}
	if dir := os.Getenv(killed); dir != "" {
		if err := trainVQ(t, filepath.Join(dir, "pictures"), filepath.Join(dir, "run"), steps...); err != nil {
			t.Fatal(err)
		}
		return
	}
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir := t.TempDir()
	folder, run := filepath.Join(dir, "pictures"), filepath.Join(dir, "run")
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	pictures(t, folder)
	draw := tensor.NewStream(uint64(time.Now().UnixNano()))
	last := 0
	kills := testsize.Pick(0, 6, 20)
	for range kills {
		child := exec.Command(os.Args[0], "-test.run=^TestKill$")
		child.Env = append(os.Environ(), killed+"="+dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		delay := time.Duration(20+draw.IntN(900)) * time.Millisecond
		time.Sleep(delay)
		child.Process.Kill()
		child.Wait()
		now := 0
		if s := savedStep(t, run); s != "" {
			now, _ = strconv.Atoi(s)
		}
		if now < last {
			t.Errorf("killed after %v: the checkpoint is of step %d, it was of step %d before", delay, now, last)
		}
		last = now
	}
	t.Logf("killed %d times on the way to step %d", kills, last)
	whole := filepath.Join(dir, "whole")
	for _, run := range []string{run, whole} {
		if err := trainVQ(t, folder, run, steps...); err != nil {
			t.Fatal(err)
		}
	}
	sameTensors(t, filepath.Join(run, CheckpointFile), filepath.Join(whole, CheckpointFile))
	left, _ := filepath.Glob(filepath.Join(run, ".*.tmp*"))
	if len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

// TestNaN: a step that is not finite stops training, names where, and keeps
// the checkpoint.
func TestNaN(t *testing.T) {
	folder, run := t.TempDir(), t.TempDir()
	pictures(t, folder)
	if err := trainAutoencoder(t, folder, run, "train.steps=2"); err != nil {
		t.Fatal(err)
	}
	err := trainAutoencoder(t, folder, run, "train.steps=60", "train.learning_rate=1e30", "train.clip=0", "train.warmup=0")
	if err == nil || !strings.Contains(err.Error(), "step ") || !strings.Contains(err.Error(), "first in ") {
		t.Fatalf("error %v", err)
	}
}

func TestBadInput(t *testing.T) {
	folder, empty := t.TempDir(), t.TempDir()
	pictures(t, folder)
	for want, call := range map[string][]string{
		"no pictures":         {empty},
		"no such file":        {filepath.Join(empty, "missing")},
		"multiple of 2":       {folder, "data.size=17"},
		"train.steps is 0":    {folder, "train.steps=0"},
		"want constant":       {folder, "train.schedule=square"},
		"ch 20: want":         {folder, "model.params.ddconfig.ch=20"},
		"model.target is \"x": {folder, "model.target=x"},
	} {
		err := trainAutoencoder(t, call[0], t.TempDir(), call[1:]...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want one with %q", call, err, want)
		}
	}
	for _, name := range []string{"3.png", "4.png"} { // one alone would be left out
		os.WriteFile(filepath.Join(folder, name), []byte("not a picture"), 0o644)
	}
	if err := trainAutoencoder(t, folder, t.TempDir(), "train.steps=9"); err == nil || !strings.Contains(err.Error(), "3.png") {
		t.Errorf("an unreadable picture: %v", err)
	}
}

// classFolders writes pictures in folders of classes.
func classFolders(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range names {
		for k := range 3 {
			img := image.NewRGBA(image.Rect(0, 0, 16, 16))
			for p := range img.Pix {
				img.Pix[p] = byte(40*i + 20*k + p%7)
			}
			if err := picture.Save(filepath.Join(dir, name, fmt.Sprintf("%d.png", k)), img, picture.Options{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

const classConditioner = `model.params.cond_stage_config={target: ldm.modules.encoders.modules.ClassEmbedder, params: {embed_dim: 16}}`

func trainDiffusion(t *testing.T, run string, overrides ...string) error {
	t.Helper()
	return Diffusion(context.Background(), diffusionConfig(t, overrides...), Run{Dir: run, Engine: device.Engine(t)})
}

func diffusionConfig(t *testing.T, overrides ...string) DiffusionConfig {
	t.Helper()
	cfg := DefaultDiffusion()
	if err := config.Parse(&cfg, "tiny", []byte(tinyDiffusion), overrides); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestClasses: names go into the model's file; held-out pictures, and those of a
// resumed run, have their classes by name.
func TestClasses(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of training")
	}
	folder := classFolders(t, "apple", "pear")
	runs := t.TempDir()
	stage, run := filepath.Join(runs, "ae"), filepath.Join(runs, "ldm")
	if err := trainAutoencoder(t, folder, stage, "train.steps=1"); err != nil {
		t.Fatal(err)
	}
	first := "first_stage=" + filepath.Join(stage, ModelFile)
	if err := trainDiffusion(t, run, first, classConditioner, "data.train="+folder, "data.validation="+classFolders(t, "pear"), "train.steps=2"); err != nil {
		t.Fatal(err)
	}
	m, err := ldm.Open(filepath.Join(run, ModelFile), ldm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := strings.Join(m.Classes(), " "); got != "apple pear" {
		t.Errorf("classes %q in the model's file", got)
	}
	for what, call := range map[string][2]string{
		"a held-out class that is not known": {folder, classFolders(t, "plum")},
		"a renamed class":                    {classFolders(t, "apple", "plum"), ""},
	} {
		err := trainDiffusion(t, run, first, classConditioner, "data.train="+call[0], "data.validation="+call[1], "train.steps=3")
		if err == nil || !strings.Contains(err.Error(), `"plum"`) || !strings.Contains(err.Error(), "apple") {
			t.Errorf("%s: error %v, want one with the class and those that are known", what, err)
		}
	}
}
