package perceptual

import (
	"bytes"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

//go:embed lpips_squeeze.safetensors
var squeezeWeights []byte

// specs are the network's parameters, without a prefix.
func (n Net) specs() []nn.ParamSpec {
	g := graph.New()
	b := nn.NewBuilder(g)
	size := n.MinSize()
	n.Distances(b, g.Input("x", 1, size, size, 3), g.Input("y", 1, size, size, 3))
	return b.Params()
}

// Vars are the weights of LPIPS (squeeze), by the names that Distances declares
// under a builder without a prefix.
func Vars() (engine.Vars, error) {
	f, err := checkpoint.NewFile("perceptual/lpips_squeeze.safetensors", bytes.NewReader(squeezeWeights), int64(len(squeezeWeights)))
	if err != nil {
		return nil, err
	}
	return Squeeze.find(f)
}

// Load reads the weights of a network from one file or several: the layers and
// the heads may lie apart, as they are published. Layers are known by LPIPS' names
// (net.slice1.0.weight, as in the package lpips and in the reference), by
// torchvision's (features.0.weight), and heads as lin0.model.1.weight or
// lins.0.model.1.weight; each also behind a prefix, as in a first stage's
// checkpoint (loss.perceptual_loss.).
func (n Net) Load(paths ...string) (engine.Vars, error) {
	var files []checkpoint.Reader
	for _, path := range paths {
		f, err := checkpoint.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		files = append(files, f)
	}
	return n.find(files...)
}

func (n Net) find(files ...checkpoint.Reader) (engine.Vars, error) {
	vars := engine.Vars{}
	var missing []string
	for _, p := range n.specs() {
		t, err := find(p, files)
		switch {
		case err != nil:
			return nil, err
		case t == nil:
			missing = append(missing, p.Name)
		default:
			vars[p.Name] = t
		}
	}
	if len(missing) > 0 {
		var from []string
		for _, f := range files {
			from = append(from, f.Name())
		}
		return nil, fault.Filef("%s: %d parameters are not in %s, first of them %s: want the layers as net.slice1.0.weight or features.0.weight, and the heads as lin0.model.1.weight; they may be in two files",
			n, len(missing), strings.Join(from, ", "), missing[0])
	}
	return vars, nil
}

// find reads a parameter from the first file that has it; nil if none does.
func find(p nn.ParamSpec, files []checkpoint.Reader) (*tensor.Tensor, error) {
	endings := aliases(p.Name)
	for _, f := range files {
		for _, name := range f.Names() {
			if !slices.ContainsFunc(endings, func(e string) bool { return name == e || strings.HasSuffix(name, "."+e) }) {
				continue
			}
			got, err := checkpoint.Load(f, map[string]checkpoint.Want{p.Name: {Stored: name, Shape: p.Shape}}, checkpoint.LoadOptions{})
			if err != nil {
				return nil, err
			}
			t := got[p.Name].Float32()
			if strings.HasPrefix(p.Name, "lin") && slices.Min(t.F32) < 0 {
				return nil, fault.Filef("%s: %s holds weights below 0, which no head of LPIPS does", f.Name(), name)
			}
			return t, nil
		}
	}
	return nil, nil
}

var (
	layerName = regexp.MustCompile(`^net\.slice\d+\.(.*)$`)
	headName  = regexp.MustCompile(`^lin(\d+)\.(.*)$`)
)

// aliases are the names by which a parameter may be stored.
func aliases(name string) []string {
	if m := layerName.FindStringSubmatch(name); m != nil {
		return []string{name, "features." + m[1]}
	}
	if m := headName.FindStringSubmatch(name); m != nil {
		return []string{name, fmt.Sprintf("lins.%s.%s", m[1], m[2])}
	}
	return []string{name}
}
