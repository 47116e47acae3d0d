package train

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/discriminator"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden/device"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

const tinyVQ = `
model:
  target: ldm.models.autoencoder.VQModel
  params: {embed_dim: 2, n_embed: 32, ddconfig: {double_z: false, z_channels: 2, resolution: 16, in_channels: 3, out_ch: 3, ch: 32, ch_mult: [1, 1], num_res_blocks: 1, attn_resolutions: []}}
loss: {l1: 1, perceptual: 0, discriminator: {weight: 0.5, start: 2, channels: 8, layers: 2}}
codebook: {restart_every: 2}
data: {size: 16, flip: true}
train: {batch_size: 2, learning_rate: 1.0e-3, warmup: 2, ema_decay: 0.9, log_every: 2, validate_every: 4, sample_every: 4, save_every: 2}
`

func trainVQ(t *testing.T, folder, run string, overrides ...string) error {
	t.Helper()
	cfg := DefaultAutoencoder()
	if err := config.Parse(&cfg, "tiny", []byte(tinyVQ), append(overrides, "data.train="+folder, "data.validation="+folder)); err != nil {
		t.Fatal(err)
	}
	return Autoencoder(context.Background(), cfg, Run{Dir: run, Engine: device.Engine(t)})
}

// TestTwoOptimisers: a VQ first stage with a discriminator that begins later, its
// restarts of codes and its accumulated gradients go on from a checkpoint to the
// same bits.
func TestTwoOptimisers(t *testing.T) {
	if testing.Short() {
		t.Skip("trains many times")
	}
	folder := t.TempDir()
	pictures(t, folder)
	for name, more := range map[string][]string{
		"batch norms":      nil,
		"activation norms": {"loss.discriminator.actnorm=true", "loss.discriminator.loss=vanilla"},
		"accumulation":     {"train.accumulate=3", "train.clip=1"},
	} {
		t.Run(name, func(t *testing.T) {
			runs := t.TempDir()
			whole, parts := filepath.Join(runs, "whole"), filepath.Join(runs, "parts")
			for _, call := range []struct{ run, steps string }{{whole, "6"}, {parts, "1"}, {parts, "3"}, {parts, "6"}} {
				if err := trainVQ(t, folder, call.run, append(more, "train.steps="+call.steps)...); err != nil {
					t.Fatal(err)
				}
			}
			sameTensors(t, filepath.Join(whole, CheckpointFile), filepath.Join(parts, CheckpointFile))
		})
	}
}

// TestAccumulation: the gradients of two batches of 2, averaged, are those of one of 4.
func TestAccumulation(t *testing.T) {
	if testing.Short() {
		t.Skip("trains many times")
	}
	folder, runs := t.TempDir(), t.TempDir()
	pictures(t, folder)
	read := func(run string) map[string]*tensor.Tensor {
		f, err := checkpoint.Open(filepath.Join(run, CheckpointFile))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		out := map[string]*tensor.Tensor{}
		for _, name := range f.Names() {
			if out[name], err = f.Read(name); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	// without KL and noise, as the noise of a batch is drawn as a whole
	once, twice := filepath.Join(runs, "once"), filepath.Join(runs, "twice")
	for run, more := range map[string][]string{once: {"train.batch_size=4"}, twice: {"train.accumulate=2"}} {
		if err := trainVQ(t, folder, run, append(more, "train.steps=1", "loss.discriminator.weight=0", "codebook.start=uniform", "train.warmup=0")...); err != nil {
			t.Fatal(err)
		}
	}
	a, b := read(once), read(twice)
	for name, x := range a {
		y := b[name]
		if y == nil {
			t.Fatalf("%s is missing", name)
		}
		for i := range x.F32 {
			if d := math.Abs(float64(x.F32[i] - y.F32[i])); len(name) > 7 && name[:7] == firstMoment && d > 1e-5 {
				t.Fatalf("%s[%d]: %g and %g", name, i, x.F32[i], y.F32[i])
			}
		}
	}
}

// TestActNormStart: what the norms start with gives results of mean 0 and deviation 1.
func TestActNormStart(t *testing.T) {
	c := discriminator.Config{Channels: 8, Layers: 2, ActNorm: true}
	g := graph.New()
	b := nn.NewBuilder(g)
	x := g.Input("x", 4, 16, 16, 3)
	c.Build(b, x)
	start := c.Start(b, x)
	if len(start) != 4 {
		t.Fatalf("%d values to start with, want 4", len(start))
	}
	vars := nn.Initialize(b.Params(), 3)
	var names []string
	var outputs []graph.Value
	for name, v := range start {
		names, outputs = append(names, name), append(outputs, v)
	}
	prog, err := engine.CompileWith(cpu.New(cpu.Options{}), g, outputs, vars, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	tensor.NewStream(1).Normal(prog.Input("x").F32)
	if err := prog.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	values := nn.Initialize(b.Params(), 3)
	for i, name := range names {
		copy(values[name].F32, prog.Output(i).F32)
	}
	// With these values the layers behind the norms see what Start saw: it then finds
	// that nothing is left to be done.
	g2 := graph.New()
	b2 := nn.NewBuilder(g2)
	x2 := g2.Input("x", 4, 16, 16, 3)
	h := nn.Conv2D(b2.In("main.0"), x2, 8, nn.Conv{Kernel: 4, Conv2D: graph.Conv2D{Stride: 2, Top: 1, Bottom: 1, Left: 1, Right: 1}})
	h = nn.Conv2D(b2.In("main.2"), nn.LeakyReLU(g2, h, .2), 16, nn.Conv{Kernel: 4, Conv2D: graph.Conv2D{Stride: 2, Top: 1, Bottom: 1, Left: 1, Right: 1}})
	h = nn.ActNorm(b2.In("main.3"), h)
	mean := g2.Reduce(graph.ReduceMean, h, 0, 1, 2)
	square := g2.Reduce(graph.ReduceMean, g2.Unary(graph.Square, h), 0, 1, 2)
	check, err := engine.CompileWith(cpu.New(cpu.Options{}), g2, []graph.Value{mean, square}, values, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer check.Close()
	copy(check.Input("x").F32, prog.Input("x").F32)
	if err := check.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, m := range check.Output(0).F32 {
		if s := check.Output(1).F32[i]; math.Abs(float64(m)) > 1e-3 || math.Abs(float64(s)-1) > .05 {
			t.Errorf("channel %d: mean %g, mean of squares %g", i, m, s)
		}
	}
}

// TestRemapInTraining: the share of vectors that a smaller vocabulary has a code
// for is logged; a file that is not there is named.
func TestRemapInTraining(t *testing.T) {
	folder := t.TempDir()
	pictures(t, folder)
	file := filepath.Join(t.TempDir(), "used.npy")
	header := "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }\n"
	raw := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
	raw = append(append(raw, header...), 0, 0, 0, 0, 1, 0, 0, 0)
	if err := os.WriteFile(file, raw, 0o666); err != nil {
		t.Fatal(err)
	}
	said := false
	cfg := DefaultAutoencoder()
	if err := config.Parse(&cfg, "tiny", []byte(tinyVQ), []string{"data.train=" + folder, "train.steps=2", "model.params.remap=" + file}); err != nil {
		t.Fatal(err)
	}
	if err := Autoencoder(t.Context(), cfg, Run{Dir: t.TempDir(), Engine: cpu.New(cpu.Options{}), Line: func(l string) { said = said || strings.Contains(l, "codes_known 0.") }}); err != nil || !said {
		t.Errorf("error %v, said %v", err, said)
	}
	if err := trainVQ(t, folder, t.TempDir(), "model.params.remap=missing.npy"); err == nil || !strings.Contains(err.Error(), "missing.npy") {
		t.Errorf("a file that is not there: %v", err)
	}
}
