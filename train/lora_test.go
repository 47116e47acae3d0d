package train

import (
	"context"
	"fmt"
	"hash/crc32"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/checkpoint/diffusers"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/golden/device"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// tinyModel trains both stages of a model for no time, and returns its file.
func tinyModel(t testing.TB, folder string) string {
	t.Helper()
	runs := t.TempDir()
	if err := trainAutoencoder(t, folder, filepath.Join(runs, "first"), "train.steps=1"); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultDiffusion()
	if err := config.Parse(&cfg, "tiny", []byte(tinyDiffusion), []string{"first_stage=" + filepath.Join(runs, "first", ModelFile), "data.train=" + folder, "train.steps=20"}); err != nil {
		t.Fatal(err)
	}
	if err := Diffusion(t.Context(), cfg, Run{Dir: filepath.Join(runs, "second"), Engine: device.Engine(t)}); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(runs, "second", ModelFile)
}

func trainLoRA(t testing.TB, base, folder, run string, overrides ...string) error {
	t.Helper()
	cfg := DefaultLoRA()
	all := append([]string{"base=" + base, "data.train=" + folder, "train.sample_every=100", "train.learning_rate=1e-2"}, overrides...)
	if err := config.Load(&cfg, nil, all); err != nil {
		t.Fatal(err)
	}
	return LoRA(context.Background(), cfg, Run{Dir: run, Engine: device.Engine(t)})
}

// TestLoRA: a run with all that there is goes on bit for bit after a stop, its file put
// on the base gives the pictures of the trained state, and the base is as it was.
func TestLoRA(t *testing.T) {
	if testing.Short() {
		t.Skip("trains several times")
	}
	folder, runs := t.TempDir(), t.TempDir()
	pictures(t, folder)
	base := tinyModel(t, folder)
	whole, halves := filepath.Join(runs, "whole"), filepath.Join(runs, "halves")
	for _, call := range []struct{ run, steps string }{{whole, "5"}, {halves, "2"}, {halves, "5"}} {
		if err := trainLoRA(t, base, folder, call.run, "train.steps="+call.steps, "trigger=zog", "prior.prompt=number 3", "prior.count=2", "samples.steps=2",
			"lora.rank=3", "lora.alpha=2", "lora.targets=convolutions", "lora.conv_rank=2", "lora.text_encoder=true", "lora.dropout=0.2", "train.accumulate=2", "train.ema_decay=0.5"); err != nil {
			t.Fatal(err)
		}
	}
	sameTensors(t, filepath.Join(whole, CheckpointFile), filepath.Join(halves, CheckpointFile))
	sameTensors(t, filepath.Join(whole, LoRAFile), filepath.Join(halves, LoRAFile))

	f, err := checkpoint.Open(filepath.Join(whole, LoRAFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{
		"lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight", "lora_unet_mid_block_resnets_0_conv1.lora_up.weight",
		"lora_unet_down_blocks_0_downsamplers_0_conv.alpha",
	} {
		if _, ok := f.Info(name); !ok {
			t.Errorf("no %s in the file", name)
		}
	}
	if m := f.Metadata(); m["ss_network_dim"] != "3" || m["ss_network_alpha"] != "2" || m["ss_network_args"] != `{"conv_alpha":"2","conv_dim":"2"}` ||
		m["ss_num_train_images"] != "6" || m["ss_num_reg_images"] != "2" || m["modelspec.trigger_phrase"] != "zog" {
		t.Errorf("metadata %v", m)
	}
	if files, err := filepath.Glob(filepath.Join(whole, ClassFolder, "*.png")); err != nil || len(files) != 2 {
		t.Errorf("pictures of the class: %v, %v", files, err)
	}
	checkRoundTrip(t, base, whole)
}

// checkRoundTrip compares the pictures of a run's trained state with those of its file
// on the base.
func checkRoundTrip(t *testing.T, base, run string) {
	t.Helper()
	open := func(opt ldm.Options) *ldm.Model {
		opt.Engine = device.Engine(t)
		m, err := ldm.Open(base, opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	picture := func(m *ldm.Model) []float32 {
		out, err := m.Generate(t.Context(), ldm.Request{Condition: ldm.Prompt("zog, picture 1"), Seeds: []uint64{4}, Steps: 3, Guidance: 2})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(out.Pixels.F32)
	}
	plain := open(ldm.Options{})
	before := picture(plain)
	if unused, err := plain.SetLoRA(t.Context(), lora.At(filepath.Join(run, LoRAFile), 1)); err != nil || len(unused) > 0 {
		t.Fatal(unused, err)
	}
	merged := picture(plain)

	factors, err := lora.Factors{Rank: 3, Alpha: 2, ConvRank: 2, ConvAlpha: 2, Targets: lora.TargetConvolutions, TextEncoder: true}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.SetLoRA(t.Context()); err != nil { // the base again
		t.Fatal(err)
	}
	vars, err := plain.Weights().Pull()
	if err != nil {
		t.Fatal(err)
	}
	state, err := checkpoint.Open(filepath.Join(run, CheckpointFile))
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	for _, name := range state.Names() {
		if of, ok := strings.CutPrefix(name, emaShadow); ok {
			if vars[of], err = state.Read(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	eng := device.Engine(t)
	w, err := eng.Load(vars, engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	trained := ldm.New(plain.Network(), config.Target{}, plain.Tokenizer(), w, ldm.Options{Engine: eng, Adapter: factors.Adapter("", false)})
	if e := golden.RelErr(merged, picture(trained)); e > 1e-4 {
		t.Errorf("the file on the base and the trained state differ by %g", e)
	}
	if e := golden.RelErr(merged, before); e < 1e-3 {
		t.Errorf("the LoRA changes the picture by %g alone", e)
	}
}

// TestLoRABuckets: pictures keep their proportions, shapes take turns, and a stop
// changes no bit.
func TestLoRABuckets(t *testing.T) {
	if testing.Short() {
		t.Skip("trains several times")
	}
	folder, shapes, runs := t.TempDir(), t.TempDir(), t.TempDir()
	pictures(t, folder)
	base := tinyModel(t, folder)
	for i, size := range [][2]int{{16, 16}, {40, 12}, {12, 40}, {16, 17}} {
		savePicture(t, filepath.Join(shapes, fmt.Sprintf("%d.png", i)), size[0], size[1])
	}
	whole, halves := filepath.Join(runs, "whole"), filepath.Join(runs, "halves")
	for _, call := range []struct{ run, steps string }{{whole, "6"}, {halves, "3"}, {halves, "6"}} {
		if err := trainLoRA(t, base, shapes, call.run, "train.steps="+call.steps, "trigger=zog", "buckets=4", "train.batch_size=2", "samples.steps=1"); err != nil {
			t.Fatal(err)
		}
	}
	sameTensors(t, filepath.Join(whole, CheckpointFile), filepath.Join(halves, CheckpointFile))
}

// TestLoRARefused: what cannot be trained is said before anything is written.
func TestLoRARefused(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a model first")
	}
	folder, plain := t.TempDir(), t.TempDir()
	pictures(t, folder)
	savePicture(t, filepath.Join(plain, "a.png"), 16, 16)
	base := tinyModel(t, folder)
	for _, c := range []struct{ override, say string }{
		{"lora.rank=0", "lora.rank is 0: want 1 to"}, {"lora.targets=some", "want attention, all or convolutions"}, {"lora.dropout=1", "less than 1"},
		{"lora.alpha=-1", "lora.alpha"}, {"dtype=f64", "want f32, f16 or bf16"}, {"data.size=17", "want a multiple of"}, {"buckets=.5", "buckets is 0.5"},
		{"prior.weight=0", "prior.weight is 0"}, {"prior.folder=none", "prior.folder"}, {"base=" + filepath.Join(plain, "a.png"), "base"}, {"data.train=" + plain, "or trigger"},
		{"base=", "base is empty"}, {"rank=4", "rank"},
	} {
		run := filepath.Join(t.TempDir(), "run")
		cfg := DefaultLoRA()
		err := config.Load(&cfg, nil, []string{"base=" + base, "data.train=" + folder, "train.steps=1", c.override})
		if err == nil {
			err = LoRA(t.Context(), cfg, Run{Dir: run, Engine: cpu.New(cpu.Options{})})
		}
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one with %q", c.override, err, c.say)
		}
		if _, err := os.Stat(run); err == nil {
			t.Errorf("%s: the run's folder was made", c.override)
		}
	}
}

// value is element i of what testdata/lora_step.py calls by a name.
func value(name string, shape tensor.Shape, scale float64) *tensor.Tensor {
	x := tensor.New(shape...)
	s := float64(crc32.ChecksumIEEE([]byte(name)) % 1000)
	for i := range x.F32 {
		x.F32[i] = float32(scale * math.Sin(.7*float64(i)+s))
	}
	return x
}

// TestLoRAStep holds one step against PyTorch with PEFT: the loss, the gradients of all
// factors, of products and convolutions, and what AdamW makes of them.
func TestLoRAStep(t *testing.T) {
	f, err := checkpoint.Open(filepath.Join("testdata", "lora_step.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rate, err := strconv.ParseFloat(f.Metadata()["rate"], 64)
	if err != nil {
		t.Fatal(err)
	}
	cfg := unet.Default()
	cfg.InChannels, cfg.OutChannels, cfg.ModelChannels, cfg.NumResBlocks, cfg.ChannelMult = 4, 4, 32, 1, []int{1, 2}
	cfg.AttentionResolutions, cfg.NumHeads, cfg.UseSpatialTransformer, cfg.ContextDim = []int{2}, 2, true, 16
	factors, err := lora.Factors{Rank: 2, Alpha: 3, Targets: lora.TargetConvolutions}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	objective := Objective{
		Moves:     func(name string) bool { return isUnder(name, lora.Prefix) },
		Optimizer: Optimizer{LearningRate: Rate(rate), Beta1: .9, Beta2: .999, WeightDecay: .01},
		Build: func(b nn.Builder) Loss {
			g := b.G
			y := cfg.Build(b.In("model").In("diffusion_model").Adapted(factors.Adapter("", true)), unet.Inputs{X: g.Input("x", 2, 8, 8, 4), T: g.Input("t", 2), Context: g.Input("context", 2, 3, 16)})
			loss := g.L2(y, g.Input("target", 2, 8, 8, 4))
			return Loss{Minimized: loss, Terms: []Term{{"loss", loss}}}
		},
	}
	p, err := newPass(objective)
	if err != nil {
		t.Fatal(err)
	}
	vars, theirs := proceduralVars(p.specs, cfg)
	for _, w := range p.weights {
		if theirs[w.Name] == "" {
			t.Fatalf("%s is not one of theirs", w.Name)
		}
	}
	outputs := gradients(p) // before the updates, which change what they read
	l := &loop{vars: vars, passes: []*pass{p}, Run: Run{Engine: cpu.New(cpu.Options{})}, cfg: Loop{Accumulate: 1, Schedule: "constant", Steps: 1, Optimizer: objective.Optimizer}}
	l.addOptimizerVars()
	if l.weights, err = l.Engine.Load(l.vars, engine.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	all := append(p.outputs(l.cfg, 1), outputs...)
	prog, err := l.Engine.Compile(p.g, all, l.weights, engine.Options{Exact: true})
	if err != nil {
		t.Fatal(err)
	}
	copyNHWC(prog.Input("x"), value("x", tensor.Shape{2, 4, 8, 8}, 1))
	copyNHWC(prog.Input("target"), value("target", tensor.Shape{2, 4, 8, 8}, 1))
	copy(prog.Input("context").F32, value("context", tensor.Shape{2, 3, 16}, 1).F32)
	copy(prog.Input("t").F32, []float32{10, 700})
	l.setScalars(prog, p, 1)
	if err := prog.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []float32 {
		x, err := f.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		return x.F32
	}
	if got, want := prog.Output(0).F32[0], read("loss")[0]; math.Abs(float64(got-want)) > 1e-4*float64(want) {
		t.Errorf("loss %g, want %g", got, want)
	}
	var grads, want []float32
	for i, w := range p.weights {
		grads = append(grads, prog.Output(len(all)-len(outputs)+i).F32...)
		want = append(want, read("grad."+theirs[w.Name])...)
	}
	if e := golden.RelErr(grads, want); e > 1e-4 {
		t.Errorf("gradients differ by %g", e)
	}
	after, err := l.weights.Pull()
	if err != nil {
		t.Fatal(err)
	}
	moved := 0
	for _, w := range p.weights {
		if name := "after." + theirs[w.Name]; slices.Contains(f.Names(), name) {
			moved++
			if e := golden.RelErr(after[w.Name].F32, read(name)); e > 1e-3 {
				t.Errorf("%s after the step differs by %g", w.Name, e)
			}
		}
	}
	if moved == 0 {
		t.Error("no factor was compared")
	}
}

// proceduralVars are the weights of testdata/lora_step.py by our names, and the names
// of the factors there.
func proceduralVars(specs []nn.ParamSpec, cfg unet.Config) (vars engine.Vars, theirs map[string]string) {
	names := diffusers.UNetNames(cfg.NumResBlocks, []bool{false, true})
	vars, theirs = engine.Vars{}, map[string]string{}
	for _, s := range specs {
		inside := strings.TrimPrefix(strings.TrimPrefix(s.Name, lora.Prefix+"."), "model.diffusion_model.")
		fanIn := 100
		if len(s.Shape) > 1 {
			fanIn = s.Shape[1:].Size()
		}
		if module, end := inside[:strings.LastIndexByte(inside, '.')], inside[strings.LastIndexByte(inside, '.'):]; isUnder(s.Name, lora.Prefix) {
			theirs[s.Name] = strings.TrimSuffix(names(module + ".weight")[0], ".weight") + end
			vars[s.Name] = value(theirs[s.Name], s.Shape, .3/math.Sqrt(float64(fanIn)))
			continue
		}
		name := names(inside)[0]
		vars[s.Name] = value(name, s.Shape, 1.5/math.Sqrt(float64(fanIn)))
		if strings.Contains(name, "norm") && strings.HasSuffix(name, "weight") {
			for i := range vars[s.Name].F32 {
				vars[s.Name].F32[i]++
			}
		}
	}
	return vars, theirs
}

// gradients adds the gradients of a pass' weights to its graph.
func gradients(p *pass) []graph.Value {
	params := make([]graph.Value, len(p.weights))
	for i, w := range p.weights {
		params[i] = p.g.Param(w.Name, w.Shape...)
	}
	return p.g.Gradients(p.loss.Minimized, params)
}

// copyNHWC copies x [N, C, H, W] to dst [N, H, W, C].
func copyNHWC(dst, x *tensor.Tensor) {
	c, h, w := x.Shape[1], x.Shape[2], x.Shape[3]
	for i := range x.F32 {
		dst.F32[(i/(c*h*w)*h*w+i%(h*w))*c+i/(h*w)%c] = x.F32[i]
	}
}

// savePicture writes a picture of random pixels.
func savePicture(t testing.TB, path string, w, h int) {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	s := tensor.NewStream(uint64(w), uint64(h))
	for k := range img.Pix {
		img.Pix[k] = byte(s.IntN(256)) | byte(k%4/3*255)
	}
	if err := picture.Save(path, img, picture.Options{}); err != nil {
		t.Fatal(err)
	}
}
