package taesd

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/metric"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// open opens a file, and reads all parameters of its network.
func open(t *testing.T, path string) (*Autoencoder, autoencoder.Config, map[string]*tensor.Tensor) {
	t.Helper()
	f, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if !Is(f) {
		t.Fatalf("%s is not recognised", path)
	}
	a, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Set.Close() })
	cfg := autoencoder.Config{Kind: autoencoder.Tiny}
	if err := a.Target.Decode(&cfg.Tiny); err != nil {
		t.Fatal(err)
	}
	g := graph.New()
	b := nn.NewBuilder(g)
	if cfg.Tiny.HasEncoder() {
		cfg.Encode(b, g.Input("x", 1, 8, 8, 3))
	}
	if cfg.Tiny.HasDecoder() {
		cfg.Decode(b, g.Input("z", 1, 1, 1, cfg.LatentChannels()))
	}
	shapes := map[string]tensor.Shape{}
	for _, p := range b.Params() {
		shapes[p.Name] = p.Shape
	}
	vars, err := checkpoint.Load(a.Set, checkpoint.Wants("", shapes), checkpoint.LoadOptions{Allowed: func(string) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	return a, cfg, vars
}

// TestPublished: TAESD as it was published gives the latent and the PSNR that it
// gives in PyTorch.
func TestPublished(t *testing.T) {
	shared := filepath.Dir(golden.Folder(t))
	path := filepath.Join(shared, "real", "firststage", "taesd_encoder.safetensors")
	if _, err := os.Stat(path); err != nil {
		t.Skip(err)
	}
	_, cfg, vars := open(t, path)
	g := graph.New()
	b := nn.NewBuilder(g)
	z := cfg.Encode(b, g.Input("x", 1, 512, 512, 3))
	prog, err := cpu.New().Compile(g, []graph.Value{z, cfg.Decode(b, z)}, vars, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	all, _ := filepath.Glob(filepath.Join(shared, "data", "inpainting", "*.png"))
	i := 0
	for _, file := range all {
		if strings.HasSuffix(file, "_mask.png") {
			continue
		}
		x, err := data.Read(file, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		copy(prog.Input("x").F32, x.F32)
		if err := prog.Run(); err != nil {
			t.Fatal(err)
		}
		want := []float64{22.5273, 20.6700, 24.2119, 19.9016, 23.0472, 20.8579, 24.3195, 20.7124}[i]
		if got := metric.PSNR(x.F32, prog.Output(1).F32); math.Abs(got-want) > .01 {
			t.Errorf("picture %d: %.4f dB, want %.4f", i, got, want)
		}
		if i == 0 {
			for c, want := range []float32{0.41621, -1.1292, 0.59561, 0.9521} {
				if got := prog.Output(0).F32[(32*64+32)*4+c]; math.Abs(float64(got-want)) > 2e-4 {
					t.Errorf("latent[%d, 32, 32] is %g, want %g", c, got, want)
				}
			}
		}
		i++
	}
}
