package taesd

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/metric"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/picture"
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
	a, err := Open(f, path, checkpoint.Open)
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
	if cfg.HasEncoder() {
		cfg.Encode(b, g.Input("x", 1, 8, 8, 3))
	}
	if cfg.HasDecoder() {
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
	if testing.Short() {
		t.Skip("reads large files")
	}
	shared := filepath.Dir(golden.Folder(t))
	path := filepath.Join(shared, "real", "firststage", "taesd_encoder.safetensors")
	if _, err := os.Stat(path); err != nil {
		t.Skip(err)
	}
	_, cfg, vars := open(t, path)
	g := graph.New()
	b := nn.NewBuilder(g)
	z := cfg.Encode(b, g.Input("x", 1, 512, 512, 3))
	prog, err := engine.CompileWith(cpu.New(cpu.Options{}), g, []graph.Value{z, cfg.Decode(b, z)}, vars, engine.Options{})
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
		x, err := picture.Read(file, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		copy(prog.Input("x").F32, x.F32)
		if err := prog.Run(t.Context()); err != nil {
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

// tensors makes those of a small autoencoder under the network's names.
func tensors(t *testing.T, cfg autoencoder.Config) map[string]*tensor.Tensor {
	t.Helper()
	g := graph.New()
	b := nn.NewBuilder(g)
	f := cfg.Factor()
	cfg.Encode(b, g.Input("x", 1, f, f, 3))
	cfg.Decode(b, g.Input("z", 1, 1, 1, cfg.LatentChannels()))
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	return nn.Initialize(b.Params(), 1)
}

var small = autoencoder.Config{Kind: autoencoder.Tiny, Tiny: autoencoder.TinyConfig{
	InChannels: 3, OutChannels: 3, LatentChannels: 16, Width: 8, EncoderBlocks: []int{1, 2, 0}, DecoderBlocks: []int{3, 1, 1},
}}

// write saves tensors under other names; those without a name are left out.
func write(t *testing.T, path string, all map[string]*tensor.Tensor, name func(side string, layer int, rest string) string) {
	t.Helper()
	out := map[string]*tensor.Tensor{}
	for k, v := range all {
		side, rest, _ := strings.Cut(k, ".")
		number, rest, _ := strings.Cut(rest, ".")
		layer, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		if n := name(side, layer, rest); n != "" {
			out[n] = v
		}
	}
	if err := checkpoint.Save(path, out, nil, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
}

// bare names the layers of one half.
func bare(want string) func(string, int, string) string {
	return func(side string, layer int, rest string) string {
		if side != want {
			return ""
		}
		return fmt.Sprintf("%d.%s", layer, rest)
	}
}

// TestForms reads what was written in each form in which such files are published.
func TestForms(t *testing.T) {
	all := tensors(t, small)
	for name, rename := range map[string]func(string, int, string) string{
		"diffusers": func(side string, layer int, rest string) string {
			if side == decoder {
				layer--
			}
			return fmt.Sprintf("%s.layers.%d.%s", side, layer, rest)
		},
		"comfyui": func(side string, layer int, rest string) string {
			return fmt.Sprintf("taesd_%s.%d.%s", side, layer, rest)
		},
		"plain":  func(side string, layer int, rest string) string { return fmt.Sprintf("%s.%d.%s", side, layer, rest) },
		"halves": bare(decoder),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "my_decoder_v2.safetensors")
			write(t, path, all, rename)
			if name == "halves" {
				write(t, filepath.Join(dir, "my_encoder_v2.safetensors"), all, bare(encoder))
			}
			_, cfg, vars := open(t, path)
			if !reflect.DeepEqual(cfg, small) {
				t.Errorf("%+v, want %+v", cfg, small)
			}
			for k, v := range all {
				if got := vars[k]; got == nil || !slices.Equal(got.F32, v.F32) {
					t.Errorf("%s is missing or another's", k)
				}
			}
		})
	}
}

// TestHalf: one half alone opens, and what is not there is said.
func TestHalf(t *testing.T) {
	all := tensors(t, small)
	for _, side := range []string{encoder, decoder} {
		path := filepath.Join(t.TempDir(), "x_"+side+".safetensors")
		write(t, path, all, bare(side))
		a, cfg, _ := open(t, path)
		if cfg.HasEncoder() != (side == encoder) || cfg.HasDecoder() != (side == decoder) || cfg.LatentChannels() != 16 || cfg.Factor() != 4 {
			t.Errorf("%s alone: %+v", side, cfg.Tiny)
		}
		if len(a.Notes) != 1 || !strings.Contains(a.Notes[0], "is not beside it") {
			t.Errorf("%s alone: %q", side, a.Notes)
		}
	}
}

// TestBroken: files that are nearly such are errors that name them.
func TestBroken(t *testing.T) {
	all := tensors(t, small)
	other := small
	other.Tiny.LatentChannels = 4
	cases := map[string]func(dir string){
		"fits": func(dir string) { write(t, dir+"/a_encoder.safetensors", tensors(t, other), bare(encoder)) },
		"holds no encoder": func(dir string) {
			write(t, dir+"/a_encoder.safetensors", all, bare(decoder))
		},
		"follows the last layer": func(dir string) {
			write(t, dir+"/a_decoder.safetensors", all, func(side string, layer int, rest string) string {
				if side == encoder && layer == 1 {
					return "40." + rest
				}
				return bare(decoder)(side, layer, rest)
			})
		},
	}
	for name, spoil := range cases {
		dir := t.TempDir()
		path := filepath.Join(dir, "a_decoder.safetensors")
		write(t, path, all, bare(decoder))
		spoil(dir)
		f, err := checkpoint.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := Open(f, path, checkpoint.Open); err == nil {
			a.Set.Close()
			t.Errorf("%s: no error", name)
		} else if !errors.Is(err, fault.File) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
