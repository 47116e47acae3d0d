package train

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
)

// TestRanges: what is out of range is refused by its name, with what is legal,
// before anything is read or written.
func TestRanges(t *testing.T) {
	for override, want := range map[string]string{
		"train.beta1=2":                "train.beta1 is 2: want 0 <= beta1 < 1",
		"train.beta2=-1":               "train.beta2",
		"train.weight_decay=-10":       "train.weight_decay is -10: want 0 or more",
		"train.clip=-1":                "train.clip is -1",
		"train.steps=2.5":              "train.steps",
		"train.steps=0":                "train.steps is 0: want at least 1",
		"train.warmup=-3":              "train.warmup is -3",
		"train.threads=-1":             "train.threads is -1",
		"train.threads=1000000":        "to 4096",
		"train.batch_size=0":           "train.batch_size is 0",
		"train.accumulate=0":           "train.accumulate is 0",
		"train.learning_rate=-1":       "want a number above 0",
		"train.learning_rate=.nan":     "train.learning_rate",
		"train.ema_decay=1":            "train.ema_decay is 1",
		"train.schedule=square":        "want constant, linear or cosine",
		"train.save_every=0":           "train.save_every is 0",
		"train.steps=":                 "want a whole number",
		"train.ema_decay=":             "want a number",
		"data.flip=":                   "want true or false",
		"train.learning_rate=0":        "want a number above 0",
		"train.learning_rate=":         "want a number above 0",
		"data.zoom=2":                  "data.crop=random",
		"data.crops=-1":                "data.crop=random",
		"train.precision=f8":           "precision",
		"loss.l1=-1":                   "loss.l1 is -1",
		"loss.discriminator.weight=-1": "loss.discriminator.weight is -1",
		"loss.discriminator={weight: 1, loss: wasserstein}": "want hinge or vanilla",
		"loss.discriminator={weight: 1, start: -1}":         "loss.discriminator.start is -1",
		"loss.discriminator={weight: 1, beta1: 3}":          "loss.discriminator.beta1 is 3",
		"loss={l1: 0, perceptual: 0}":                       "want at least one",
		"loss.logvar=1":                                     "loss.sum=true",
		"codebook.start=random":                             "want kmeans or uniform",
		"codebook.restart_every=-1":                         "codebook.restart_every is -1",
		"tune=encoder":                                      "want all or decoder",
		"tune=decoder":                                      "init names no model",
		"data.size=17":                                      "multiple of 2",
		"data.train=":                                       "data.train is empty",
		"model.target=x":                                    `model.target is "x": want`,
		"model.params.ddconfig.ch=20":                       "ch 20: want",
		"model.params.lossconfig={target: some.Loss}":       "some.Loss",
		"model.params.batch_resize_range=[1,2]":             "batch_resize_range",
	} {
		cfg := DefaultAutoencoder()
		run := t.TempDir()
		err := config.Parse(&cfg, "tiny", []byte(tinyAutoencoder), []string{"data.train=" + t.TempDir(), override})
		if err == nil {
			err = Autoencoder(t.Context(), cfg, Run{Dir: run + "/run", Engine: cpu.New(cpu.Options{})})
		}
		wantRefused(t, override, err, want)
	}
	for override, want := range map[string]string{
		"dropout=2":                             "dropout is 2: want 0 to 1",
		"min_snr_gamma=-1":                      "min_snr_gamma is -1",
		"noise_offset=-1":                       "noise_offset is -1",
		"huber_delta=0":                         "huber_delta is 0",
		"vocabulary=t5":                         "want data or bert",
		"samples.steps=0":                       "samples.steps is 0",
		"samples.scale=.nan":                    "samples.scale",
		"first_stage=":                          "first_stage is empty",
		"train.beta1=2":                         "train.beta1 is 2",
		"model.target=x":                        `model.target is "x": want`,
		"model.params.num_timesteps_cond=2":     "num_timesteps_cond is 2",
		"model.params.cond_stage_forward=x":     "cond_stage_forward",
		"model.params.first_stage_key=segments": "want image",
		"model.params.loss_type=l3":             "want l2, l1, huber",
		"model.params.parameterization=score":   "want eps, x0, v",
		"model.params.l_simple_weight=-1":       "l_simple_weight",
	} {
		cfg := DefaultDiffusion()
		err := config.Parse(&cfg, "tiny", []byte(tinyDiffusion), []string{"data.train=" + t.TempDir(), "first_stage=x", override})
		if err == nil {
			err = Diffusion(t.Context(), cfg, Run{Dir: t.TempDir(), Engine: cpu.New(cpu.Options{})})
		}
		wantRefused(t, override, err, want)
	}
}

func wantRefused(t *testing.T, override string, err error, want string) {
	t.Helper()
	switch {
	case err == nil || !strings.Contains(err.Error(), want):
		t.Errorf("%s: error %v, want one with %q", override, err, want)
	case !errors.Is(err, fault.Input):
		t.Errorf("%s: %v is not bad input", override, err)
	}
}

// TestRenamedClasses: one name that is gone and one that is new are the same class,
// if that is accepted.
func TestRenamedClasses(t *testing.T) {
	then := []string{"bird", "cat", "dog"}
	for _, c := range []struct {
		accept    []string
		now, want []string
		refused   string
	}{
		{nil, then, then, ""},
		{nil, []string{"cat"}, then, ""},
		{nil, []string{"bird", "dog", "kitten"}, nil, "--accept classes,data"},
		{[]string{AcceptClasses}, []string{"bird", "dog", "kitten"}, []string{"bird", "kitten", "dog"}, ""},
		{[]string{AcceptClasses}, []string{"dog", "kitten", "owl"}, nil, "one of each"},
		{[]string{AcceptClasses}, []string{"bird", "cat", "dog", "owl"}, nil, "one of each"},
	} {
		got, err := renamedClasses(Run{Accept: c.accept}, then, c.now)
		if c.refused != "" {
			wantRefused(t, strings.Join(c.now, " "), err, c.refused)
		} else if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v of %v: %v, %v; want %v", c.now, c.accept, got, err, c.want)
		}
	}
	if got, err := renamedClasses(Run{}, nil, []string{"a"}); got != nil || err != nil {
		t.Errorf("without a checkpoint: %v, %v", got, err)
	}
}
