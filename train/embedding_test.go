package train

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/embedding"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/golden/device"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
)

// smallCLIP is a model with a small text tower of CLIP's kind.
func smallCLIP(t testing.TB) (*model.Network, engine.Vars) {
	t.Helper()
	cfg := DefaultDiffusion()
	if err := config.Parse(&cfg, "tiny", []byte(tinyDiffusion), nil); err != nil {
		t.Fatal(err)
	}
	cfg.Model.Params["first_stage_config"] = autoencoderConfig(t).Model
	cfg.Model.Params["image_size"] = 8
	delete(cfg.Model.Params, "scale_by_std")
	net, err := model.New(cfg.Model)
	if err != nil {
		t.Fatal(err)
	}
	net.Conditioner = model.Conditioner{Kind: model.CLIPText, CLIP: &conditioner.CLIP{Width: 16, Heads: 2, Layers: 2, Vocab: 49408, MaxLen: 77}}
	specs, err := net.AllParams()
	if err != nil {
		t.Fatal(err)
	}
	vars := nn.Initialize(specs, 3)
	for i, p := range specs { // layers that begin at zero let no gradient through
		if x := vars[p.Name].F32; len(p.Shape) > 1 && x[0] == 0 && x[len(x)-1] == 0 {
			nn.Uniform(len(x)/p.Shape[0])(tensor.NewStream(uint64(i)), x)
		}
	}
	return net, vars
}

// TestEmbedding: the vectors of a word learn, nothing else moves, and in a prompt the
// file's word says what the trained state does, in both forms.
func TestEmbedding(t *testing.T) {
	const word = "<zog>"
	net, vars := smallCLIP(t)
	texts := newLearntTexts(net, token.CLIP(), word, 2, vars[model.PrefixConditioner+"."+net.CLIP.TokenTable()])
	vars[nameVectors] = tensor.New(2, 16)
	texts.look(vars[nameVectors].Row(0).F32, 500)
	texts.look(vars[nameVectors].Row(1).F32, 501)
	d := denoising{net: net, delta: 1, h: 8, w: 8, context: texts.build}
	p, err := newPass(Objective{
		Moves: func(name string) bool { return name == nameVectors }, Optimizer: Optimizer{LearningRate: 1e-2, Beta1: .9, Beta2: .999},
		Build: func(b nn.Builder) Loss { return d.build(b, 1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	l := &loop{vars: vars, passes: []*pass{p}, Run: Run{Engine: device.Engine(t)}, cfg: Loop{Accumulate: 1, Schedule: "constant", Steps: 9, Optimizer: p.Optimizer}}
	l.addOptimizerVars()
	const still = "model.diffusion_model.out.2.bias"
	before := slices.Clone(vars[still].F32)
	if l.weights, err = l.Engine.Load(l.vars, engine.LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	prog, err := l.Engine.Compile(p.g, p.outputs(l.cfg, 1), l.weights, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	tensor.NewStream(1).Normal(prog.Input("x").F32)
	tensor.NewStream(2).Normal(prog.Input("target").F32)
	prog.Input("t").F32[0] = 100
	prompt := "a photo of " + word
	if err := texts.fill(t.Context(), prog, 0, example{pick: data.Pick{Text: prompt}}); err != nil {
		t.Fatal(err)
	}
	var losses []float32
	for n := range 9 {
		l.setScalars(prog, p, n+1)
		if err := prog.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		losses = append(losses, prog.Output(0).F32[0])
	}
	if losses[8] >= losses[0] {
		t.Errorf("the losses are %g", losses)
	}
	after, err := l.weights.Pull()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(after[still].F32, before) {
		t.Error("another weight has moved")
	}
	checkWord(t, net, l, texts, prompt, word)
}

// checkWord compares what a prompt with a word says by the file with the trained state.
func checkWord(t *testing.T, net *model.Network, l *loop, texts *learntTexts, prompt, word string) {
	t.Helper()
	g := graph.New()
	prog, err := l.compileFor(g, texts.build(nn.NewBuilder(g), 1)...)
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	if err := texts.fill(t.Context(), prog, 0, example{pick: data.Pick{Text: prompt}}); err != nil {
		t.Fatal(err)
	}
	if err := prog.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	vars, err := l.weights.Pull(nameVectors)
	if err != nil {
		t.Fatal(err)
	}
	m := ldm.New(net, config.Target{}, token.CLIP(), l.weights, ldm.Options{Engine: l.Engine})
	defer m.Close()
	for form, file := range map[embedding.Form]string{embedding.Diffusers: EmbeddingFile, embedding.A1111: word + ".safetensors"} {
		path := filepath.Join(t.TempDir(), file)
		if err := embedding.Write(path, word, vars[nameVectors], form); err != nil {
			t.Fatal(err)
		}
		if names, err := m.SetEmbeddings(path); err != nil || !slices.Equal(names, []string{word}) {
			t.Fatal(form, names, err)
		}
		said, err := ldm.Prompt(prompt).Encode(t.Context(), m, 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		if e := golden.RelErr(said.Context.F32, prog.Output(0).F32); e > 1e-5 {
			t.Errorf("%s: the file's word differs from the trained state by %g", form, e)
		}
	}
}

// TestEmbeddingRefused: what cannot be learnt is said.
func TestEmbeddingRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("trains a model first")
	}
	folder := t.TempDir()
	pictures(t, folder)
	base := tinyModel(t, folder)
	for _, c := range []struct{ override, say string }{
		{"trigger=", "want the word that is learnt"}, {"trigger=a/b", "want the word that is learnt"}, {"embedding.vectors=0", "1 to 32"},
		{"embedding.kind=some", "object or style"}, {"embedding.form=bin", "diffusers or a1111"}, {"train.steps=1", "no text encoder of CLIP"},
	} {
		cfg := DefaultEmbedding()
		if err := config.Load(&cfg, nil, []string{"base=" + base, "data.train=" + folder, "trigger=<zog>", c.override}); err != nil {
			t.Fatal(err)
		}
		err := Embedding(t.Context(), cfg, Run{Dir: filepath.Join(t.TempDir(), "run"), Engine: cpu.New(cpu.Options{})})
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: error %v, want one with %q", c.override, err, c.say)
		}
	}
}
