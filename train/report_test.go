package train

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine/cpu"
)

// TestReport: the page has curves, pictures and the configuration, and a resumed
// run goes on with the curves.
func TestReport(t *testing.T) {
	folder, run := t.TempDir(), t.TempDir()
	pictures(t, folder)
	for _, steps := range []string{"4", "8"} {
		cfg := autoencoderConfig(t, "data.train="+folder, "data.validation="+folder, "train.steps="+steps)
		if err := Autoencoder(t.Context(), cfg, Run{Dir: run, Engine: cpu.New(cpu.Options{}), Report: true}); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(run, ReportFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Step 8 of 8", "train/loss", "validation/psnr", "steps 2 to 8", "data:image/png;base64,", "step 4<", "ch_mult", "s a step"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the page has no %q", want)
		}
	}
}
