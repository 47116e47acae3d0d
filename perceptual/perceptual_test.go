package perceptual

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// distances compiles a network's distance, by Distances and by Embedding.
func distances(t *testing.T, net Net, vars engine.Vars, opt engine.Options, shape ...int) engine.Program {
	t.Helper()
	g := graph.New()
	b := nn.NewBuilder(g)
	x, y := g.Input("x", shape...), g.Input("y", shape...)
	prog, err := engine.CompileWith(cpu.New(cpu.Options{}), g, []graph.Value{net.Distances(b, x, y), net.Embedding(b, x), net.Embedding(b, y)}, vars, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(prog.Close)
	return prog
}

// squared is the squared distance of two pictures' embeddings.
func squared(prog engine.Program, i int) (d float64) {
	a, b := prog.Output(1).Row(i).F32, prog.Output(2).Row(i).F32
	for i, v := range a {
		d += float64(v-b[i]) * float64(v-b[i])
	}
	return d
}

// TestGolden holds the three networks against the package lpips, with
// procedural layers and the published heads.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "metrics") {
		net, err := ParseNet(strings.TrimPrefix(c.Base(), "lpips-"))
		if err != nil {
			continue
		}
		t.Run(c.Base(), func(t *testing.T) {
			vars := c.Weights(t)
			for i := range len(net.heads()) {
				h := c.Input(t, "lin"+string(rune('0'+i)))
				vars[net.heads()[i]] = tensor.Of(h.F32, 1, h.Shape.Size(), 1, 1)
			}
			x, y := fromBytes(c.Input(t, "x")), fromBytes(c.Input(t, "y"))
			prog := distances(t, net, vars, engine.Options{}, x.Shape...)
			copy(prog.Input("x").F32, x.F32)
			copy(prog.Input("y").F32, y.F32)
			if err := prog.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			for i, want := range c.Floats64(t, "lpips") {
				for _, got := range []float64{float64(prog.Output(0).F32[i]), squared(prog, i)} {
					if math.Abs(got/want-1) > 1e-4 {
						t.Errorf("pair %d: %g, want %g", i, got, want)
					}
				}
			}
		})
	}
}

// heads are the names of the network's heads.
func (n Net) heads() (names []string) {
	for _, p := range n.specs() {
		if strings.HasPrefix(p.Name, "lin") {
			names = append(names, p.Name)
		}
	}
	return names
}

// fromBytes turns bytes [N, 3, H, W] into [N, H, W, 3] in [-1, 1].
func fromBytes(bytes *tensor.Tensor) *tensor.Tensor {
	x := tensor.New(bytes.Shape...)
	for i, v := range bytes.I32 {
		x.F32[i] = float32(v)/127.5 - 1
	}
	return x.ToNHWC()
}

// TestPublished: the weights in the program give the distances of photographs
// that the package lpips gives with the weights that were published.
func TestPublished(t *testing.T) {
	if testing.Short() {
		t.Skip("reads large files")
	}
	root := filepath.Join(filepath.Dir(golden.Folder(t)), "data", "inpainting")
	all, _ := filepath.Glob(filepath.Join(root, "*.png"))
	var files []string
	for _, f := range all {
		if !strings.HasSuffix(f, "_mask.png") {
			files = append(files, f)
		}
	}
	if len(files) != 8 {
		t.Skipf("no photographs in %s", root)
	}
	vars, err := Vars()
	if err != nil {
		t.Fatal(err)
	}
	prog := distances(t, Squeeze, vars, engine.Options{}, 1, 512, 512, 3)
	for _, c := range []struct {
		a, b int // b < 0: a's mirror image
		want float64
	}{
		{0, 1, 0.621134}, {0, 2, 0.567262}, {0, 3, 0.609689}, {1, 2, 0.565821}, {1, 3, 0.603669}, {2, 3, 0.597600},
		{0, -1, 0.330261}, {1, -1, 0.441889}, {2, -1, 0.350678}, {3, -1, 0.448905},
	} {
		x, err := picture.Read(files[c.a], 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		y := mirrored(x)
		if c.b >= 0 {
			if y, err = picture.Read(files[c.b], 0, 1); err != nil {
				t.Fatal(err)
			}
		}
		copy(prog.Input("x").F32, x.F32)
		copy(prog.Input("y").F32, y.F32)
		if err := prog.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := float64(prog.Output(0).F32[0]); math.Abs(got-c.want) > 1e-3 {
			t.Errorf("%d and %d: %f, want %f", c.a, c.b, got, c.want)
		} else {
			t.Logf("%d and %d: %f, want %f", c.a, c.b, got, c.want)
		}
	}
}

func mirrored(x *tensor.Tensor) *tensor.Tensor {
	y := tensor.New(x.Shape...)
	h, w := x.Shape[1], x.Shape[2]
	for i := range h * w {
		copy(y.F32[3*i:3*i+3], x.F32[3*(i/w*w+w-1-i%w):])
	}
	return y
}

// TestDistance: equal pictures are at 0 and worse noise is farther, down to the
// smallest size.
func TestDistance(t *testing.T) {
	vars, err := Vars()
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{Squeeze.MinSize(), 64} {
		prog := distances(t, Squeeze, vars, engine.Options{}, 2, size, size, 3)
		tensor.NewStream(1).Uniform(prog.Input("x").F32, -1, 1)
		last := -1.0
		for _, noise := range []float32{0, .1, .5} {
			tensor.NewStream(2).Normal(prog.Input("y").F32)
			for i, v := range prog.Input("x").F32 {
				prog.Input("y").F32[i] = v + noise*prog.Input("y").F32[i]
			}
			if err := prog.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			d := float64(prog.Output(0).F32[0])
			if !(d > last) || noise == 0 && d != 0 || math.Abs(squared(prog, 0)-d) > 1e-4*d {
				t.Errorf("%d pixels, noise %g: distance %g (%g by embeddings) after %g", size, noise, d, squared(prog, 0), last)
			}
			last = d
		}
	}
}

func TestTooSmall(t *testing.T) {
	for _, net := range []Net{Squeeze, VGG, Alex} {
		for size := net.MinSize() - 1; size <= net.MinSize(); size++ {
			g := graph.New()
			net.Distances(nn.NewBuilder(g), g.Input("x", 1, size, 90, 3), g.Input("y", 1, size, 90, 3))
			if ok := g.Err() == nil; ok != (size == net.MinSize()) {
				t.Errorf("%s of %d pixels: %v", net, size, g.Err())
			}
		}
	}
}

// TestLoad reads layers and heads from two files, in torchvision's names and in
// those of the package lpips, and says what is missing from one.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	layers, heads := map[string]*tensor.Tensor{}, map[string]*tensor.Tensor{}
	for i, p := range Alex.specs() {
		v := tensor.New(p.Shape...)
		v.F32[0] = float32(i)
		if strings.HasPrefix(p.Name, "lin") {
			heads["loss.perceptual_loss."+p.Name] = v
		} else {
			layers[aliases(p.Name)[1]] = v
		}
	}
	a, b := filepath.Join(dir, "alexnet.safetensors"), filepath.Join(dir, "heads.safetensors")
	for path, tensors := range map[string]map[string]*tensor.Tensor{a: layers, b: heads} {
		if err := checkpoint.Save(path, tensors, nil, checkpoint.F32); err != nil {
			t.Fatal(err)
		}
	}
	vars, err := Alex.Load(a, b)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range Alex.specs() {
		if vars[p.Name].F32[0] != float32(i) {
			t.Errorf("%s is that of another", p.Name)
		}
	}
	if _, err := Alex.Load(a); err == nil || !strings.Contains(err.Error(), "lin0.model.1.weight") || !strings.Contains(err.Error(), a) {
		t.Errorf("without heads: %v", err)
	}
	if _, err := VGG.Load(a, b); err == nil || !strings.Contains(err.Error(), "want") {
		t.Errorf("AlexNet as VGG: %v", err)
	}
	if _, err := os.Stat(b); err != nil {
		t.Fatal(err)
	}
}
