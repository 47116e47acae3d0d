package features

import (
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// The filters that bring pictures to Inception's size: results differ by how, so
// that figures are compared with others of the same one.
var inceptionFilters = []struct {
	name, text string
}{
	{"pytorch-fid", "bilinear without antialiasing to 299x299, as pytorch-fid"},
	{"tensorflow", "TensorFlow 1's bilinear to 299x299, as torch-fidelity"},
	{"clean", "bicubic (Pillow's, antialiased, not rounded) to 299x299, as clean-fid"},
}

// Filters are the names of Inception's filters, the default first.
func Filters() (names []string) {
	for _, f := range inceptionFilters {
		names = append(names, f.name)
	}
	return names
}

// Open opens a network's file: Inception's as pytorch-fid and torch-fidelity
// publish it, or CLIP's in the names of OpenAI or of Hugging Face. The filter is one
// of Inception's, or empty for its default.
func Open(path, filter string, eng engine.Engine, opt engine.Options) (*Extractor, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	n := named{f, ""}
	switch {
	case n.has("Conv2d_1a_3x3.conv.weight"):
		return openInception(n, filter, eng, opt)
	case filter != "":
		return nil, fault.Inputf("%s: the filter %s is one of Inception's, which the file does not hold", path, filter)
	case n.has("visual.conv1.weight"), n.has("vision_model.embeddings.patch_embedding.weight"):
		return openCLIP(n, eng, opt)
	}
	return nil, fault.Filef("%s holds neither Inception (Conv2d_1a_3x3.conv.weight and so on, as pytorch-fid and torch-fidelity publish it) nor CLIP's image encoder (visual.conv1.weight or vision_model.embeddings.patch_embedding.weight)", path)
}

// named reads tensors of a file.
type named struct {
	checkpoint.Reader
	prefix string
}

func (n named) has(name string) bool {
	_, ok := n.Info(n.prefix + name)
	return ok
}

func (n named) shape(name string) tensor.Shape {
	info, _ := n.Info(n.prefix + name)
	return info.Shape
}

// read reads a tensor that has the shape, or one of as many elements where loose.
func (n named) read(name string, shape ...int) (*tensor.Tensor, error) {
	want := checkpoint.Want{Stored: n.prefix + name, Shape: shape}
	got, err := checkpoint.Load(n.Reader, map[string]checkpoint.Want{name: want}, checkpoint.LoadOptions{})
	if err != nil {
		return nil, fault.As(fault.File, err)
	}
	return got[name].Float32(), nil
}

// specs are the parameters that a network declares.
func specs(size int, build func(b nn.Builder, x graph.Value)) ([]nn.ParamSpec, error) {
	g := graph.New()
	b := nn.NewBuilder(g)
	build(b, g.Input("x", 1, size, size, 3))
	return b.Params(), g.Err()
}

func openInception(n named, filter string, eng engine.Engine, opt engine.Options) (*Extractor, error) {
	i := slices.IndexFunc(inceptionFilters, func(f struct{ name, text string }) bool { return filter == "" || f.name == filter })
	if i < 0 {
		return nil, fault.Inputf("filter %q: want %s", filter, strings.Join(Filters(), ", "))
	}
	vars, err := inceptionVars(n)
	if err != nil {
		return nil, err
	}
	e := &Extractor{Filter: inceptionFilters[i].text, Logits: true, batch: batch}
	e.prepare = []func([]float32, *image.RGBA){inceptionInput, tensorflowInput, cleanInput}[i]
	return e, e.compile(eng, opt, vars, inceptionSize, func(b nn.Builder, x graph.Value) []graph.Value {
		f, l, _ := inception(b, x)
		return []graph.Value{f, l}
	})
}

// inceptionVars folds the batch norms (epsilon 0.001) into the convolutions.
func inceptionVars(n named) (engine.Vars, error) {
	params, err := specs(inceptionSize, func(b nn.Builder, x graph.Value) { inception(b, x) })
	if err != nil {
		return nil, err
	}
	vars := engine.Vars{}
	for _, p := range params {
		module, isConv := strings.CutSuffix(p.Name, ".conv.weight")
		if !isConv {
			if strings.HasSuffix(p.Name, ".conv.bias") {
				continue // of the folded norm
			}
			if vars[p.Name], err = n.read(p.Name, p.Shape...); err != nil {
				return nil, err
			}
			continue
		}
		w, err := n.read(p.Name, p.Shape...)
		if err != nil {
			return nil, err
		}
		var norm [4]*tensor.Tensor
		for i, name := range []string{"weight", "bias", "running_mean", "running_var"} {
			if norm[i], err = n.read(module+".bn."+name, p.Shape[0]); err != nil {
				return nil, err
			}
		}
		bias := tensor.New(p.Shape[0])
		for o := range p.Shape[0] {
			scale := float64(norm[0].F32[o]) / math.Sqrt(float64(norm[3].F32[o])+1e-3)
			bias.F32[o] = float32(float64(norm[1].F32[o]) - float64(norm[2].F32[o])*scale)
			row := w.F32[o*len(w.F32)/p.Shape[0] : (o+1)*len(w.F32)/p.Shape[0]]
			for k, v := range row {
				row[k] = float32(float64(v) * scale)
			}
		}
		vars[p.Name], vars[module+".conv.bias"] = w, bias
	}
	return vars, nil
}

func openCLIP(n named, eng engine.Engine, opt engine.Options) (*Extractor, error) {
	hf := n.has("vision_model.embeddings.patch_embedding.weight")
	v, err := clipStructure(n, hf)
	if err != nil {
		return nil, err
	}
	params, err := specs(v.Size, func(b nn.Builder, x graph.Value) { v.build(b, x) })
	if err != nil {
		return nil, fault.As(fault.File, err)
	}
	vars := engine.Vars{}
	for _, p := range params {
		if vars[p.Name], err = n.clip(p, hf); err != nil {
			return nil, err
		}
	}
	e := &Extractor{Name: fmt.Sprintf("CLIP-ViT-%d-%d", v.Width, v.Patch), batch: batch}
	if v.Width == 768 && v.Patch == 32 {
		e.Name = "CLIP-ViT-B-32"
	} else if v.Width == 1024 && v.Patch == 14 {
		e.Name = "CLIP-ViT-L-14"
	}
	e.Filter = fmt.Sprintf("the centred square, bicubic (Pillow's, antialiased) to %dx%d", v.Size, v.Size)
	e.prepare = clipInput(v.Size)
	if err := e.compile(eng, opt, vars, v.Size, func(b nn.Builder, x graph.Value) []graph.Value { return []graph.Value{v.build(b, x)} }); err != nil {
		return nil, err
	}
	e.text, err = openText(n, hf, v.Projection, eng, opt)
	return e, err
}
