package train

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
)

// savedStep is the step of the checkpoint in a run's folder, or "".
func savedStep(t *testing.T, run string) string {
	t.Helper()
	f, err := checkpoint.Open(filepath.Join(run, CheckpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return f.Metadata()[metaStep]
}

// runWith trains the tiny autoencoder and calls at for every line.
func runWith(t *testing.T, ctx context.Context, folder, run string, at func(line string), overrides ...string) error {
	t.Helper()
	cfg := autoencoderConfig(t, append(overrides, "data.train="+folder)...)
	return Autoencoder(ctx, cfg, Run{Dir: run, Engine: cpu.New(cpu.Options{}), Line: at})
}

// TestPictureVanishes: a picture that is missing in the middle of a run is
// skipped and counted.
func TestPictureVanishes(t *testing.T) {
	folder, run := t.TempDir(), t.TempDir()
	pictures(t, folder)
	skipped := false
	err := runWith(t, t.Context(), folder, run, func(line string) {
		if strings.Contains(line, "parameters to train") {
			os.Remove(filepath.Join(folder, "2.png"))
		}
		skipped = skipped || strings.Contains(line, "skipped, 1 of 6") && strings.Contains(line, "2.png")
	}, "train.steps=8")
	if err != nil || !skipped {
		t.Fatalf("error %v, skipped %v", err, skipped)
	}
	if s := savedStep(t, run); s != "8" {
		t.Errorf("saved at step %q, want 8", s)
	}
}

// TestErrorsSave: however a run ends by an error, its last good state is there.
func TestErrorsSave(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of training")
	}
	folder := t.TempDir()
	pictures(t, folder)
	block := func(t *testing.T, path string) { // a folder where a file is to be written
		if err := os.MkdirAll(filepath.Join(path, "x"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("samples fail at the last step", func(t *testing.T) {
		run := t.TempDir()
		block(t, filepath.Join(run, PictureFolder, "step-000005.png"))
		err := runWith(t, t.Context(), folder, run, func(string) {}, "train.steps=5", "train.sample_every=5", "train.save_every=100")
		if err == nil || !strings.Contains(err.Error(), "holds step 5") || savedStep(t, run) != "5" {
			t.Errorf("error %v, saved at step %q", err, savedStep(t, run))
		}
	})
	t.Run("events and log cannot be written", func(t *testing.T) {
		run := t.TempDir()
		block(t, filepath.Join(run, LogFile))
		block(t, filepath.Join(run, MetricsFile))
		said := false
		err := runWith(t, t.Context(), folder, run, func(line string) { said = said || strings.Contains(line, "log cannot be written") }, "train.steps=3")
		if err != nil || savedStep(t, run) != "3" || !said {
			t.Errorf("error %v, saved at step %q, said %v", err, savedStep(t, run), said)
		}
	})
	t.Run("the model cannot be written", func(t *testing.T) {
		run := t.TempDir()
		block(t, filepath.Join(run, ModelFile))
		err := runWith(t, t.Context(), folder, run, func(string) {}, "train.steps=3", "train.save_every=100")
		if err == nil || !strings.Contains(err.Error(), "holds step 3") || savedStep(t, run) != "3" {
			t.Errorf("error %v, saved at step %q", err, savedStep(t, run))
		}
	})
	t.Run("the checkpoint cannot be written", func(t *testing.T) {
		run := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		err := runWith(t, ctx, folder, run, func(line string) {
			if strings.HasPrefix(line, "step 2/") {
				block(t, filepath.Join(run, CheckpointFile))
				cancel()
			}
		}, "train.steps=50", "train.save_every=100")
		if err == nil || !strings.Contains(err.Error(), "could not be saved") || strings.Contains(err.Error(), "holds step") || errors.Is(err, context.Canceled) {
			t.Errorf("Ctrl-C when saving fails: %v", err)
		}
	})
}

// snapshot lists the files of a folder with their content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		files[path] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestRefusedResume: a run that is refused changes nothing in the folder, and
// says what differs.
func TestRefusedResume(t *testing.T) {
	if testing.Short() {
		t.Skip("trains many times")
	}
	folder, runs := t.TempDir(), t.TempDir()
	pictures(t, folder)
	ae, ldm, first := filepath.Join(runs, "ae"), filepath.Join(runs, "ldm"), filepath.Join(runs, "first.safetensors")
	if err := trainAutoencoder(t, folder, ae, "train.steps=2"); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(ae, ModelFile))
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(first, raw, 0o666)
	second := []string{"first_stage=" + first, "data.train=" + folder}
	if err := trainDiffusion(t, ldm, append(second, "train.steps=2")...); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, runs)
	refused := func(what string, err error, want ...string) {
		t.Helper()
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) || !errors.Is(err, fault.Input) {
				t.Errorf("%s: error %v, want one with %q", what, err, w)
			}
		}
		for path, text := range snapshot(t, runs) {
			if before[path] != text {
				t.Errorf("%s: %s was changed", what, path)
			}
		}
	}
	refused("a first stage in a diffusion run's folder", trainAutoencoder(t, folder, ldm), "holds a run of a diffusion model")
	refused("a diffusion run in a first stage's folder", trainDiffusion(t, ae, second...), "holds a run of an autoencoder")
	refused("another model", trainAutoencoder(t, folder, ae, "model.params.embed_dim=3"), "model.params.embed_dim")
	metadata := filepath.Join(folder, "metadata.jsonl")
	lines, _ := os.ReadFile(metadata)
	os.WriteFile(metadata, []byte(strings.Replace(string(lines), "picture 3", "photo 3", 1)), 0o666)
	refused("a caption", trainDiffusion(t, ldm, second...), "captions", "--accept captions")
	os.WriteFile(metadata, lines, 0o666)
	os.WriteFile(metadata, []byte(strings.Join(strings.SplitAfter(string(lines), "\n")[1:], "")), 0o666)
	refused("pictures", trainDiffusion(t, ldm, second...), "pictures are not those of the checkpoint (5 now, 6 then)", "--accept data")
	os.WriteFile(metadata, lines, 0o666)
	refused("other pixels", trainDiffusion(t, ldm, append(second, "data.crop=random")...), "pixels are made", "random crops, then", "--accept data")
	if err := trainAutoencoder(t, folder, filepath.Join(t.TempDir(), "further"), "train.steps=3"); err != nil {
		t.Fatal(err)
	}
	if err := trainAutoencoder(t, folder, t.TempDir(), "init="+first, "train.steps=3"); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := trainAutoencoder(t, folder, other, "train.steps=3", "train.seed=5"); err != nil {
		t.Fatal(err)
	}
	changed := []string{"first_stage=" + filepath.Join(other, ModelFile), "data.train=" + folder}
	refused("another first stage", trainDiffusion(t, ldm, changed...), "first stage is not the one of the checkpoint", "--accept first_stage")
	if _, err := (Run{Dir: ae, Engine: cpu.New(cpu.Options{}), Accept: []string{"everything"}}).open(kindAutoencoder); err == nil {
		t.Error("an unknown difference is accepted")
	}
}

// TestAccept: what may be accepted is accepted by its name; init need not be
// there any more; the vocabulary stays that of the checkpoint.
func TestAccept(t *testing.T) {
	if testing.Short() {
		t.Skip("trains many times")
	}
	folder, runs := t.TempDir(), t.TempDir()
	pictures(t, folder)
	ae, base, run := filepath.Join(runs, "ae"), filepath.Join(runs, "base"), filepath.Join(runs, "ldm")
	if err := trainAutoencoder(t, folder, ae, "train.steps=1"); err != nil {
		t.Fatal(err)
	}
	second := []string{"first_stage=" + filepath.Join(ae, ModelFile), "data.train=" + folder}
	if err := trainDiffusion(t, base, append(second, "train.steps=1")...); err != nil {
		t.Fatal(err)
	}
	second = append(second, "init="+filepath.Join(base, ModelFile))
	if err := trainDiffusion(t, run, append(second, "train.steps=1")...); err != nil {
		t.Fatal(err)
	}
	before, err := readPrevious(filepath.Join(run, CheckpointFile))
	if err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(base)
	metadata := filepath.Join(folder, "metadata.jsonl")
	lines, _ := os.ReadFile(metadata)
	os.WriteFile(metadata, []byte(strings.ReplaceAll(string(lines), "picture", "zebra")), 0o666)
	var said []string
	cfg := diffusionConfig(t, append(second, "train.steps=2", "train.seed=4")...)
	err = Diffusion(t.Context(), cfg, Run{Dir: run, Engine: cpu.New(cpu.Options{}), Accept: []string{AcceptCaptions}, Line: func(l string) { said = append(said, l) }})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(said, "\n")
	for _, want := range []string{"accepted: the captions", "train.steps (1, now 2)", "train.seed (23, now 4)", "going on from step 1"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said:\n%s", want, text)
		}
	}
	after, err := readPrevious(filepath.Join(run, CheckpointFile))
	if err != nil || after.step != 2 || strings.Join(after.vocabulary, " ") != strings.Join(before.vocabulary, " ") {
		t.Errorf("step %d, vocabulary %v, was %v (%v)", after.step, after.vocabulary, before.vocabulary, err)
	}
}

// TestLock: a second run in a folder is refused while the first goes on.
func TestLock(t *testing.T) {
	folder, run := t.TempDir(), t.TempDir()
	pictures(t, folder)
	var second error
	tried := false
	err := runWith(t, t.Context(), folder, run, func(line string) {
		if strings.HasPrefix(line, "step 2/") && !tried {
			tried = true
			second = runWith(t, t.Context(), folder, run, func(string) {}, "train.steps=9")
		}
	}, "train.steps=4")
	if err != nil {
		t.Fatal(err)
	}
	if second == nil || !strings.Contains(second.Error(), "in use by another run") {
		t.Errorf("the second run: %v", second)
	}
	if err := runWith(t, t.Context(), folder, run, func(string) {}, "train.steps=5"); err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
}
