package train

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine/cpu"
)

// TestTuneDecoder: the encoder and the codebook stay, also in a run that is resumed, which
// has the same bits and wants the same encoder; the decoder changes.
func TestTuneDecoder(t *testing.T) {
	if testing.Short() {
		t.Skip("trains many times")
	}
	folder, runs := t.TempDir(), t.TempDir()
	pictures(t, folder)
	for _, train := range []func(*testing.T, string, string, ...string) error{
		func(t *testing.T, folder, run string, o ...string) error {
			return trainAutoencoder(t, folder, run, o...)
		}, trainVQ,
	} {
		another := t.TempDir()
		if err := train(t, folder, another, "train.steps=1", "train.ema_decay=0", "train.seed=9"); err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(another, ModelFile)
		base, tuned, halves := filepath.Join(runs, "base"), filepath.Join(runs, "tuned"), filepath.Join(runs, "halves")
		for _, dir := range []string{base, tuned, halves} {
			os.RemoveAll(dir)
		}
		if err := train(t, folder, base, "train.steps=1", "train.ema_decay=0"); err != nil {
			t.Fatal(err)
		}
		if err := train(t, folder, tuned, "train.steps=4", "train.ema_decay=0", "tune=decoder", "init="+filepath.Join(base, ModelFile)); err != nil {
			t.Fatal(err)
		}
		for _, steps := range []string{"2", "4"} {
			if err := train(t, folder, halves, "train.steps="+steps, "train.ema_decay=0", "tune=decoder", "init="+filepath.Join(base, ModelFile)); err != nil {
				t.Fatal(err)
			}
		}
		for _, file := range []string{CheckpointFile, ModelFile} {
			sameTensors(t, filepath.Join(tuned, file), filepath.Join(halves, file))
		}
		wantRefused(t, "another encoder", train(t, folder, halves, "train.steps=5", "train.ema_decay=0", "tune=decoder", "init="+other), "the base is not the model of the checkpoint")
		a, b := openModel(t, base), openModel(t, tuned)
		for _, name := range a.Names() {
			x, errX := a.Read(name)
			y, errY := b.Read(name)
			if errX != nil || errY != nil {
				t.Fatal(errX, errY)
			}
			same := true
			for i := range x.F32 {
				same = same && x.F32[i] == y.F32[i]
			}
			moves := isUnder(name, "decoder") || isUnder(name, "post_quant_conv")
			if !moves && !same || name == "decoder.conv_out.weight" && same {
				t.Errorf("%s: moves %v, the same %v", name, moves, same)
			}
		}
	}
}

func openModel(t *testing.T, run string) *checkpoint.File {
	return openFile(t, filepath.Join(run, ModelFile))
}

func openFile(t *testing.T, path string) *checkpoint.File {
	t.Helper()
	f, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestLossConfig: the reference's YAML of a first stage trains with its loss; it
// and a loss of one's own are not both taken.
func TestLossConfig(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of training")
	}
	folder := t.TempDir()
	pictures(t, folder)
	lossconfig := "model.params.lossconfig={target: ldm.modules.losses.LPIPSWithDiscriminator, params: {disc_start: 1, kl_weight: 1.0e-6, disc_weight: 0.5, disc_num_layers: 1, disc_ndf: 8}}"
	var said []string
	cfg := DefaultAutoencoder()
	plain := strings.Replace(tinyAutoencoder, "loss: {l1: 1, perceptual: 0, kl: 1.0e-6}\n", "", 1)
	if err := config.Parse(&cfg, "tiny", []byte(plain), []string{lossconfig, "data.train=" + folder, "data.size=32", "train.steps=2", "train.log_every=1"}); err != nil {
		t.Fatal(err)
	}
	err := Autoencoder(t.Context(), cfg, Run{Dir: t.TempDir(), Engine: cpu.New(cpu.Options{}), Line: func(l string) { said = append(said, l) }})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(said, "\n")
	for _, want := range []string{"LPIPS (squeeze), which is in the program", "nll ", "disc_logits_real", "d_weight", "lpips_squeeze"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said:\n%s", want, text)
		}
	}
	if err := trainAutoencoder(t, folder, t.TempDir(), lossconfig); err == nil || !strings.Contains(err.Error(), "both given") {
		t.Errorf("a lossconfig and a loss: %v", err)
	}
	if err := trainAutoencoder(t, folder, t.TempDir(), "data.size=32", "loss.perceptual=1", "loss.lpips=[missing.pth]"); err == nil || !strings.Contains(err.Error(), "missing.pth") {
		t.Errorf("LPIPS from a file that is not there: %v", err)
	}
}

// TestLatentsOnDisk: encoded pictures that have no room in memory lie in the
// run's folder; the bits are the same.
func TestLatentsOnDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("trains many times")
	}
	folder, runs := t.TempDir(), t.TempDir()
	pictures(t, folder)
	ae := filepath.Join(runs, "ae")
	if err := trainAutoencoder(t, folder, ae, "train.steps=1"); err != nil {
		t.Fatal(err)
	}
	for _, mb := range []string{"100", "0"} {
		for _, steps := range []string{"2", "4"} {
			err := trainDiffusion(t, filepath.Join(runs, mb), "first_stage="+filepath.Join(ae, ModelFile), "data.train="+folder, "cache_mb="+mb, "train.steps="+steps, "train.sample_every=100")
			if err != nil {
				t.Fatal(err)
			}
		}
		if files, _ := os.ReadDir(filepath.Join(runs, mb, LatentFolder)); len(files) == 0 {
			t.Errorf("cache_mb %s: nothing in %s", mb, LatentFolder)
		}
	}
	sameTensors(t, filepath.Join(runs, "100", CheckpointFile), filepath.Join(runs, "0", CheckpointFile))
}
