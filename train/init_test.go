package train

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/model"
)

// TestBeginWithAnother: training begins with any model: one that gets more to
// see has zeros for the new channels, one with another conditioner draws that and
// what attends to it, and a U-Net that does not fit is refused by name.
func TestBeginWithAnother(t *testing.T) {
	if testing.Short() {
		t.Skip("trains many times")
	}
	folder, runs := pairs(t), t.TempDir()
	ae, text := filepath.Join(runs, "ae"), filepath.Join(runs, "text")
	if err := trainAutoencoder(t, folder, ae, "train.steps=1", "data.validation="); err != nil {
		t.Fatal(err)
	}
	common := []string{"first_stage=" + filepath.Join(ae, ModelFile), "data.train=" + folder, "train.steps=1", "train.sample_every=100"}
	if err := trainDiffusion(t, text, common...); err != nil {
		t.Fatal(err)
	}
	common = append(common, "init="+filepath.Join(text, ModelFile), "train.learning_rate=1.0e-9", "train.weight_decay=0")
	const unet = "model.params.unet_config.params."
	inpaint, class := filepath.Join(runs, "inpaint"), filepath.Join(runs, "class")
	said := begin(t, inpaint, append(common, "model.params.conditioning_key=hybrid", unet+"in_channels=5")...)
	if !strings.Contains(said, "grows from 2 to 5 channels") {
		t.Errorf("said %q", said)
	}
	before, after := weight(t, text, firstConvolution), weight(t, inpaint, firstConvolution)
	const kernel = 9
	for i, v := range after {
		o, in := i/(5*kernel), i%(5*kernel)
		want := float32(0)
		if in < 2*kernel {
			want = before[o*2*kernel+in]
		}
		if d := v - want; d > 1e-6 || d < -1e-6 {
			t.Fatalf("number %d of the first convolution is %g, want %g", i, v, want)
		}
	}
	folder = classFolders(t, "apple", "pear")
	said = begin(t, class, append(common, "data.train="+folder, classConditioner)...)
	if !strings.Contains(said, "of the conditioner and of the attention to it are new") {
		t.Errorf("said %q", said)
	}
	name := model.PrefixUNet + ".middle_block.0.in_layers.2.weight"
	if a, b := weight(t, text, name), weight(t, class, name); a[0] != b[0] && a[0]-b[0] > 1e-6 {
		t.Errorf("the U-Net's weights are not taken over: %g and %g", a[0], b[0])
	}
	err := trainDiffusion(t, filepath.Join(runs, "bad"), append(common, unet+"model_channels=64")...)
	if err == nil || !strings.Contains(err.Error(), "init: ") || !strings.Contains(err.Error(), model.PrefixUNet) {
		t.Errorf("a U-Net that does not fit: %v", err)
	}
}

// begin trains and returns what was said.
func begin(t *testing.T, run string, overrides ...string) string {
	t.Helper()
	var said []string
	err := Diffusion(t.Context(), diffusionConfig(t, overrides...), Run{Dir: run, Engine: cpu.New(cpu.Options{}), Line: func(l string) { said = append(said, l) }})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(said, "\n")
}

// weight reads a parameter from a run's checkpoint.
func weight(t *testing.T, run, name string) []float32 {
	t.Helper()
	f, err := checkpoint.Open(filepath.Join(run, CheckpointFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := f.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	return w.F32
}

// TestCLIPWantsWeights: a text encoder that is not trained from nothing is
// refused at the start without a file.
func TestCLIPWantsWeights(t *testing.T) {
	if testing.Short() {
		t.Skip("trains many times")
	}
	folder, runs := pairs(t), t.TempDir()
	ae := filepath.Join(runs, "ae")
	if err := trainAutoencoder(t, folder, ae, "train.steps=1", "data.validation="); err != nil {
		t.Fatal(err)
	}
	err := trainDiffusion(t, filepath.Join(runs, "clip"), "first_stage="+filepath.Join(ae, ModelFile), "data.train="+folder,
		"model.params.cond_stage_config={target: ldm.modules.encoders.modules.FrozenCLIPEmbedder}", "model.params.unet_config.params.context_dim=768")
	if err == nil || !strings.Contains(err.Error(), "conditioner=FILE") {
		t.Errorf("error %v, want one that says which file", err)
	}
}
