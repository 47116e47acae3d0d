package stock_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/adapter/control"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/nettest"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/retrieve"
	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/intake"
	"github.com/ldm-go/ldm/serve/stock"
	"github.com/ldm-go/ldm/serve/store"
	"github.com/ldm-go/ldm/serve/store/sqlite"
	"github.com/ldm-go/ldm/serve/worker"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
	"github.com/ldm-go/ldm/weights/emoji"
)

// small is the network of the model in the program with few channels, and changes of its
// configuration.
func small(t *testing.T, change func(params map[string]any)) (*model.Network, *modelfile.File) {
	t.Helper()
	f, err := emoji.Open(modelfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	f.Target.Params = maps.Clone(f.Target.Params)
	u := f.Target.Params["unet_config"].(map[string]any)["params"].(map[string]any)
	u["model_channels"], u["channel_mult"] = 32, []any{1, 1, 1}
	change(f.Target.Params)
	net, err := model.New(f.Target)
	if err != nil {
		t.Fatal(err)
	}
	return net, f
}

// saveModel writes a network with weights that are functions of their names.
func saveModel(t *testing.T, path string, net *model.Network, f *modelfile.File) {
	t.Helper()
	specs, err := net.AllParams()
	if err != nil {
		t.Fatal(err)
	}
	vars := map[string]*tensor.Tensor{}
	for _, s := range specs {
		vars[s.Name] = golden.Weight(s.Name, s.Shape, 1)
	}
	words, err := f.Tokenizer(net)
	if err != nil {
		t.Fatal(err)
	}
	if err := modelfile.Save(context.Background(), path, net, f.Target, words, nil, vars, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
}

// saveControl writes a ControlNet for a network under its authors' names.
func saveControl(t *testing.T, path string, u unet.Config) {
	t.Helper()
	params, err := control.Params(unet.Control{Config: u, Hint: []int{16, 16, 16}})
	if err != nil {
		t.Fatal(err)
	}
	tensors := map[string]*tensor.Tensor{}
	for _, p := range params {
		tensors["control_model."+p.Name] = golden.Weight(p.Name, p.Shape, 7)
	}
	if err := checkpoint.Save(path, tensors, nil, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
}

// saveCLIP writes a small CLIP in OpenAI's names, whose vectors have so many numbers.
func saveCLIP(t *testing.T, path string, width int) {
	t.Helper()
	g := graph.New()
	b := nn.NewBuilder(g)
	text := conditioner.CLIP{Width: 64, Heads: 1, Layers: 1, Vocab: 49408, MaxLen: 77}
	text.BuildPooled(b, g.IntInput("tokens", 1, 77), g.IntInput("end", 1), width)
	tensors := nettest.Weights(b)
	const block = "transformer.resblocks.0."
	for name, shape := range map[string][]int{
		"conv1.weight": {64, 3, 8, 8}, "class_embedding": {64}, "positional_embedding": {17, 64}, "proj": {64, width},
		"ln_pre.weight": {64}, "ln_pre.bias": {64}, "ln_post.weight": {64}, "ln_post.bias": {64},
		block + "ln_1.weight": {64}, block + "ln_1.bias": {64}, block + "ln_2.weight": {64}, block + "ln_2.bias": {64},
		block + "attn.in_proj_weight": {192, 64}, block + "attn.in_proj_bias": {192}, block + "attn.out_proj.weight": {64, 64}, block + "attn.out_proj.bias": {64},
		block + "mlp.c_fc.weight": {256, 64}, block + "mlp.c_fc.bias": {256}, block + "mlp.c_proj.weight": {64, 256}, block + "mlp.c_proj.bias": {64},
	} {
		tensors["visual."+name] = golden.Weight("visual."+name, shape, 2)
	}
	if err := checkpoint.Save(path, tensors, nil, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
}

// jobs runs jobs of a stock, one after the other.
type jobs struct {
	t     *testing.T
	stock *stock.Stock
	w     *worker.Worker
}

func newJobs(t *testing.T, o stock.Options) *jobs {
	t.Helper()
	o.Log, o.Version = slog.New(slog.DiscardHandler), "ldm test"
	s, err := stock.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.TempDir(), 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	j := &jobs{t, s, &worker.Worker{
		Name: "w", Store: db, Blobs: &store.Files{Dir: t.TempDir()}, Bus: bus.Bus{Transport: &bus.Local{}}, Runner: s,
		Alive: func(string) bool { return true }, Log: slog.New(slog.DiscardHandler), MaxRows: 4,
	}}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { j.w.Run(ctx); close(ended) }()
	t.Cleanup(func() { stop(); <-ended; s.Close(); db.Close() })
	return j
}

// draw gives the pixels and the settings of a job's first picture.
func (j *jobs) draw(id string, in intake.Input) (pix []byte, text string) {
	j.t.Helper()
	m, ok := catalog.Find(j.stock.List(), id)
	if !ok {
		j.t.Fatalf("there is no model %s", id)
	}
	in.Seed, in.Steps, in.Strict = ptr[int64](3), ptr[int64](4), true
	c := intake.Checker{Limits: intake.DefaultLimits, Samplers: samplers, Adapters: j.stock.Adapters}
	made, blobs, err := c.Job(m, in)
	if err != nil {
		j.t.Fatal(err)
	}
	for name, data := range blobs {
		if err := j.w.Blobs.Put(context.Background(), made.ID, name, data); err != nil {
			j.t.Fatal(err)
		}
	}
	if made, err = j.w.Store.Accept(context.Background(), made); err != nil {
		j.t.Fatal(err)
	}
	done := wait(j.t, j.w, made.ID)
	data, err := j.w.Blobs.Get(context.Background(), made.ID, worker.BlobName(0))
	if err != nil {
		j.t.Fatal(err)
	}
	return pixels(j.t, data), done.Images[0].Infotext
}

// squares is a picture's file.
func squares(t *testing.T, w, h int) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = byte((i/w/8 + i%w/8) % 2 * 255)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestControlsAndSavings: what a request says of ControlNets and of speed has its effect, and
// leaves nothing behind; a ControlNet that is gone is missed.
func TestControlsAndSavings(t *testing.T) {
	if testing.Short() {
		t.Skip("draws many pictures")
	}
	dir, controls := t.TempDir(), t.TempDir()
	net, f := small(t, func(map[string]any) {})
	saveModel(t, filepath.Join(dir, "m.safetensors"), net, f)
	saveControl(t, filepath.Join(controls, "canny.safetensors"), net.UNet)
	if err := os.WriteFile(filepath.Join(controls, "broken.pth"), []byte("nothing"), 0o644); err != nil {
		t.Fatal(err)
	}
	j := newJobs(t, stock.Options{Files: []string{filepath.Join(dir, "m.safetensors")}, Controls: controls, MaxMemory: 1 << 30})
	if have := j.stock.Adapters().Controls; len(have) != 1 || have[0].Name != "canny" || have[0].Context != net.UNet.ContextDim || have[0].Bytes == 0 {
		t.Fatalf("the ControlNets are %+v", have)
	}
	plain, _ := j.draw("m", intake.Input{Prompt: "a cat"})
	seen := map[string]string{string(plain): "nothing"}
	with := func(c intake.Control) intake.Input {
		c.Model, c.Image = "canny", squares(t, 64, 32)
		return intake.Input{Prompt: "a cat", Controls: []intake.Control{c}}
	}
	for name, in := range map[string]intake.Input{
		"control": with(intake.Control{}), "strength": with(intake.Control{Strength: ptr(.5)}), "start": with(intake.Control{Start: ptr(.5)}),
		"end": with(intake.Control{End: ptr(.5)}), "crop": with(intake.Control{Resize: "crop"}), "pad": with(intake.Control{Resize: "pad"}),
		"token merging":     {Prompt: "a cat", Savings: intake.Savings{TokenMerging: ptr(.5)}},
		"deep cache":        {Prompt: "a cat", Savings: intake.Savings{DeepCache: ptr[int64](3)}},
		"branch":            {Prompt: "a cat", Savings: intake.Savings{DeepCache: ptr[int64](3), DeepCacheBranch: ptr[int64](3)}},
		"adaptive guidance": {Prompt: "a cat", Savings: intake.Savings{AdaptiveGuidance: ptr(.01)}},
		"interval":          {Prompt: "a cat", Savings: intake.Savings{CFGInterval: []float64{.5, 1}}},
	} {
		pix, text := j.draw("m", in)
		if other, same := seen[string(pix)]; same {
			t.Errorf("%s gives the picture of %s", name, other)
		}
		seen[string(pix)] = name
		if len(in.Controls) > 0 && !strings.Contains(text, `ControlNet 0: "Module: none, Model: canny, Weight: `) {
			t.Errorf("%s: %s", name, text)
		}
	}
	if again, _ := j.draw("m", intake.Input{Prompt: "a cat"}); !bytes.Equal(again, plain) {
		t.Error("what requests asked for stays behind")
	}
	if b := j.stock.Bytes(); b <= j.stock.List()[0].Bytes {
		t.Errorf("%d bytes, of which the ControlNet has none", b)
	}
	if j.stock.Unload("m"); j.stock.Bytes() != 0 {
		t.Errorf("%d bytes are left", j.stock.Bytes())
	}
}

// TestRetrieval: a retrieval-augmented model takes texts, by their vectors and those of
// neighbours in a database; without an encoder it is not served.
func TestRetrieval(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a database first")
	}
	const width = 24
	dir, databases := t.TempDir(), t.TempDir()
	net, f := small(t, func(p map[string]any) {
		p["cond_stage_config"] = map[string]any{"target": "torch.nn.Identity"}
		p["unet_config"].(map[string]any)["params"].(map[string]any)["context_dim"] = width
	})
	path, clip := filepath.Join(dir, "rdm.safetensors"), filepath.Join(dir, "clip.pt")
	saveModel(t, path, net, f)
	saveCLIP(t, clip, width)
	for i, name := range []string{"paintings", "photos"} {
		db, err := retrieve.New(nettest.Random(uint64(i+1), 30, width), nil, "clip.pt")
		if err == nil {
			err = db.Save(filepath.Join(databases, name+".safetensors"), checkpoint.F32)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stock.Open(stock.Options{Files: []string{path}, Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "--clip") {
		t.Errorf("without an encoder: %v", err)
	}
	if _, err := stock.Open(stock.Options{Files: []string{path}, CLIP: path, Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "rdm.safetensors") {
		t.Errorf("an encoder that is none: %v", err)
	}
	j := newJobs(t, stock.Options{Files: []string{path}, Databases: databases, CLIP: clip})
	seen := map[string]string{}
	for name, in := range map[string]intake.Input{
		"the text alone": {}, "paintings": {Database: "paintings"}, "photos": {Database: "photos"}, "three paintings": {Database: "paintings", Neighbours: ptr[int64](3)},
		"a negative": {Database: "paintings", NegativePrompt: "a dog"}, "no guidance": {Database: "paintings", CFGScale: ptr(1.)},
	} {
		in.Prompt = "a cat"
		pix, _ := j.draw("rdm", in)
		if other, same := seen[string(pix)]; same {
			t.Errorf("%s gives the picture of %s", name, other)
		}
		seen[string(pix)] = name
	}
}
