package ldm

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/tensor"
)

// open opens a model until the test ends.
func open(t *testing.T, path string, o modelfile.Options) *Model {
	t.Helper()
	m, err := Open(path, Options{Engine: cpu.New(cpu.Options{}), File: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// predict is a model's prediction for a label or a text.
func predict(t *testing.T, m *Model) []float32 {
	t.Helper()
	var c Condition = Class(3)
	if m.net.Text != nil {
		c = Prompt("a cat")
	}
	condition, err := c.Encode(t.Context(), m, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	y, err := m.Predict(t.Context(), random(1, 1, 4, 4, 4), 500, []Encoding{condition})
	if err != nil {
		t.Fatal(err)
	}
	z, err := m.decode(t.Context(), random(2, 1, 2, 2, 4))
	if err != nil {
		t.Fatal(err)
	}
	return append(slices.Clone(y.F32), z.F32...)
}

// same wants two arrays equal bit for bit.
func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s differs: error %g", what, golden.RelErr(got, want))
	}
}

// wantOneLine wants an error of one line with all of the parts.
func wantOneLine(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %v, want one line with %q", err, parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q, want one with %q", err, p)
		}
	}
}

func openError(path string, o modelfile.Options) error {
	m, err := Open(path, Options{Engine: cpu.New(cpu.Options{}), File: o})
	if err == nil {
		m.Close()
	}
	return err
}

// TestConfigurations: the same model comes of a YAML that is named, of one
// beside the file, of names and shapes alone, and of what a saved file says.
func TestConfigurations(t *testing.T) {
	if testing.Short() {
		t.Skip("opens many models")
	}
	tensors := tinyWeights(t, tinyNetwork(t))
	want := predict(t, tinyModel(t))
	path := save(t, tensors, checkpoint.F32)
	var log []string
	recognised := open(t, path, modelfile.Options{Log: func(line string) { log = append(log, line) }})
	same(t, "the recognised model", predict(t, recognised), want)
	if text := strings.Join(log, "\n"); !strings.Contains(text, "assumed: 8 attention heads") || !strings.Contains(text, "0.0015 to 0.0195") {
		t.Errorf("assumptions: %s", text)
	}
	yaml := writeConfig(t, path+".yaml")
	named := open(t, path, modelfile.Options{Config: yaml})
	same(t, "the model of a named YAML", predict(t, named), want)
	if err := named.Save(path+".saved", checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	same(t, "the saved model", predict(t, open(t, path+".saved", modelfile.Options{})), want)

	// The YAML beside a file counts where the file says nothing of itself.
	writeConfig(t, filepath.Join(filepath.Dir(path), "config.yaml"), tinyUNet+"num_heads=4")
	beside := open(t, path, modelfile.Options{})
	if beside.net.UNet.NumHeads != 4 || open(t, path, modelfile.Options{Config: yaml}).net.UNet.NumHeads != 8 || open(t, path+".saved", modelfile.Options{}).net.UNet.NumHeads != 8 {
		t.Error("the wrong configuration counts")
	}
	same(t, "the model of the YAML beside it", predict(t, beside), predict(t, tinyModel(t, tinyUNet+"num_heads=4")))
}

// TestMisfits: all that does not fit is said in one line, and ignored keys need
// not.
func TestMisfits(t *testing.T) {
	tensors := tinyWeights(t, tinyNetwork(t))
	const gone, wrong = "model.diffusion_model.out.2.weight", "first_stage_model.decoder.conv_out.bias"
	delete(tensors, gone)
	tensors[wrong], tensors["model.extra"] = tensor.New(4), tensor.New(1)
	path := save(t, tensors, checkpoint.F32)
	yaml := writeConfig(t, path+".yaml")
	wantOneLine(t, openError(path, modelfile.Options{Config: yaml}), path, "1 missing: "+gone, "1 wrongly shaped: "+wrong+" is [4], want [3]", "1 unexpected: model.extra")
	wantOneLine(t, openError(path, modelfile.Options{Config: yaml, IgnoreKeys: []string{"model."}}), "1 wrongly shaped: "+wrong)
	wantOneLine(t, openError(path, modelfile.Options{}), path, "--config")

	m := open(t, path, modelfile.Options{Config: yaml, IgnoreKeys: []string{"model.extra", gone, "first_stage_model.decoder.conv_out"}})
	for _, v := range weightOf(t, m, gone).F32 {
		if v != 0 { // as the network begins
			t.Fatalf("%s has no initial values", gone)
		}
	}
	const kept = "first_stage_model.decoder.conv_in.weight"
	same(t, kept, weightOf(t, m, kept).F32, tensors[kept].F32)
	predict(t, m)
}

// TestStrays: a checkpoint may hold what belongs to training and sampling.
func TestStrays(t *testing.T) {
	net := tinyNetwork(t)
	tensors := tinyWeights(t, net)
	for _, name := range append(slices.Clone(model.ScheduleBuffers), "logvar", "lvlb_weights", "ddim_alphas", "model_ema.decay", "model_ema.num_updates",
		"first_stage_model.loss.discriminator.main.0.weight") {
		tensors[name] = tensor.New(3)
	}
	path := save(t, tensors, checkpoint.F32)
	m := open(t, path, modelfile.Options{Config: writeConfig(t, path+".yaml"), Weights: modelfile.WeightsRaw})
	same(t, "the prediction", predict(t, m), predict(t, tinyModel(t)))
}

// averaged adds averages that differ from the weights, and gives the weights
// that they amount to.
func averaged(tensors map[string]*tensor.Tensor) (both map[string]*tensor.Tensor, averages engine.Vars) {
	both, averages = maps.Clone(tensors), engine.Vars{}
	for name, x := range tensors {
		averages[name] = x
		if average, ok := model.EMAName(name); ok {
			averages[name] = golden.Weight(name, x.Shape, 2)
			both[average] = averages[name]
		}
	}
	both[model.PrefixEMA+"decay"], both[model.PrefixEMA+"num_updates"] = tensor.New(), tensor.New()
	return both, averages
}

// TestAverages: the averages count where there are any, unless the configuration
// or the user says otherwise.
func TestAverages(t *testing.T) {
	if testing.Short() {
		t.Skip("opens models several times")
	}
	net := tinyNetwork(t)
	plain := tinyWeights(t, net)
	both, averages := averaged(plain)
	path := save(t, both, checkpoint.F32)
	raw := predict(t, tinyModel(t))
	ema := predict(t, inMemory(t, net, tinyTarget(t), nil, averages))
	yaml, without := writeConfig(t, path+".yaml"), writeConfig(t, path+".raw.yaml", tinyParams+"use_ema=false")
	for _, c := range []struct {
		config  string
		weights modelfile.Weights
		want    []float32
	}{
		{yaml, modelfile.WeightsAuto, ema}, {yaml, modelfile.WeightsEMA, ema}, {yaml, modelfile.WeightsRaw, raw}, {"", modelfile.WeightsAuto, ema},
		{without, modelfile.WeightsAuto, raw}, {without, modelfile.WeightsEMA, ema}, {without, modelfile.WeightsRaw, raw},
	} {
		same(t, fmt.Sprint(c.config, " ", c.weights), predict(t, open(t, path, modelfile.Options{Config: c.config, Weights: c.weights})), c.want)
	}
	var w modelfile.Weights
	wantOneLine(t, w.UnmarshalText([]byte("best")), `weights "best"`, "auto, ema or raw")
	path = save(t, plain, checkpoint.F32)
	same(t, "a file without averages", predict(t, open(t, path, modelfile.Options{Config: yaml})), raw)
	wantOneLine(t, openError(path, modelfile.Options{Config: yaml, Weights: modelfile.WeightsEMA}), path, "no averaged weights")
	average, _ := model.EMAName("model.diffusion_model.out.2.weight")
	delete(both, average)
	path = save(t, both, checkpoint.F32)
	same(t, "a file without one average", predict(t, open(t, path, modelfile.Options{Config: yaml})), raw)
	wantOneLine(t, openError(path, modelfile.Options{Config: yaml, Weights: modelfile.WeightsEMA}), average, "--weights raw")
}

// TestNumberFormats: half precision widens to the numbers it stands for.
func TestNumberFormats(t *testing.T) {
	tensors := tinyWeights(t, tinyNetwork(t))
	for d, round := range map[checkpoint.DType]func(float32) float32{
		checkpoint.F32:  func(v float32) float32 { return v },
		checkpoint.F16:  func(v float32) float32 { return tensor.FromFloat16(tensor.Float16(v)) },
		checkpoint.BF16: func(v float32) float32 { return tensor.FromBFloat16(tensor.BFloat16(v)) },
	} {
		m := open(t, save(t, tensors, d), modelfile.Options{})
		for name, x := range tensors {
			wide := weightOf(t, m, name).Float32()
			for i, v := range x.F32 {
				if got := wide.F32[i]; got != round(v) {
					t.Fatalf("%s: %s: element %d is %g, want %g", d, name, i, got, round(v))
				}
			}
		}
		predict(t, m)
	}
}

// TestNotFinite: the error names the tensor and the element.
func TestNotFinite(t *testing.T) {
	const name = "model.diffusion_model.middle_block.0.in_layers.2.weight"
	tensors := tinyWeights(t, tinyNetwork(t))
	for d, infinity := range map[checkpoint.DType][]byte{checkpoint.F32: {0, 0, 0x80, 0x7f}, checkpoint.F16: {0, 0x7c}} {
		path := save(t, tensors, d)
		for _, mantissa := range []byte{0, 1} { // of 1: not a number
			infinity[0] = mantissa
			patch(t, path, name, 77, infinity)
			wantOneLine(t, openError(path, modelfile.Options{}), name, "element 77 is ")
		}
	}
}

// patch writes the bytes of an element of a tensor of a safetensors file.
func patch(t *testing.T, path, name string, element int, bytes []byte) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin := 8 + int(binary.LittleEndian.Uint64(raw))
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(raw[8:begin], &header); err != nil {
		t.Fatal(err)
	}
	copy(raw[begin+header[name].Offsets[0]+element*len(bytes):], bytes)
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestVocabulary: texts go through the pieces in the file's metadata.
func TestVocabulary(t *testing.T) {
	overrides := []string{tinyText, tinyParams + "cond_stage_config.params.vocab_size=7"}
	tensors := tinyWeights(t, tinyNetwork(t, overrides...))
	path := filepath.Join(t.TempDir(), "model.safetensors")
	yaml := writeConfig(t, path+".yaml", overrides...)
	for pieces, want := range map[string]string{
		"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\ncat\n##s": "", "": "vocabulary of 7 pieces", "a\nb": "[PAD]", "a\na": "there twice",
	} {
		meta := map[string]string{"ldm.vocab": pieces}
		if err := checkpoint.Save(path, tensors, meta, checkpoint.F32); err != nil {
			t.Fatal(err)
		}
		if want != "" {
			wantOneLine(t, openError(path, modelfile.Options{Config: yaml}), path, want)
			continue
		}
		m := open(t, path, modelfile.Options{Config: yaml})
		ids := make([]int32, m.net.TextLength())
		if m.tokenizer.Encode("Cats a dog", ids); !slices.Equal(ids, []int32{2, 5, 6, 4, 1, 3}) {
			t.Errorf("tokens %v", ids)
		}
		if err := m.Save(path+".saved", checkpoint.F32); err != nil {
			t.Fatal(err)
		}
		same(t, "the saved model", predict(t, open(t, path+".saved", modelfile.Options{})), predict(t, m))
	}
}
