// Package control reads ControlNets (Zhang et al., arXiv 2302.05543) in the forms in
// which they are published: under the names of their authors, alone or beside a whole
// model, and under those of diffusers, as a file or a folder.
package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/checkpoint/diffusers"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// The forms of files.
const (
	FormAuthors   = "its authors' names"
	FormDiffusers = "diffusers' names"
)

// File is a ControlNet's file or files, open.
type File struct {
	Form string

	path   string
	files  []*checkpoint.File
	prefix string         // before the authors' names
	hints  []tensor.Shape // of the weights of the picture's embedding
}

// prefixes may stand before the authors' names.
var prefixes = []string{"control_model.", "", "model.control_model."}

// Open opens a file, or a folder of diffusers.
func Open(path string) (*File, error) {
	names, err := filesOf(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path}
	for _, name := range names {
		file, err := checkpoint.Open(name)
		if err != nil {
			f.Close()
			return nil, err
		}
		f.files = append(f.files, file)
	}
	if err := f.recognise(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// filesOf are the weight files of a path.
func filesOf(path string) ([]string, error) {
	st, err := os.Stat(path)
	if err != nil || !st.IsDir() {
		return []string{path}, err
	}
	files, err := diffusers.OpenControl(path, os.DirFS(path))
	for i, file := range files {
		files[i] = filepath.Join(path, filepath.FromSlash(file))
	}
	return files, err
}

// Close closes the files.
func (f *File) Close() error {
	var errs []error
	for _, file := range f.files {
		errs = append(errs, file.Close())
	}
	return errors.Join(errs...)
}

// info looks a tensor up, by its name in the files.
func (f *File) info(stored string) (*checkpoint.File, checkpoint.Info, bool) {
	for _, file := range f.files {
		if info, ok := file.Info(stored); ok {
			return file, info, true
		}
	}
	return nil, checkpoint.Info{}, false
}

// maxHints bounds the convolutions of the picture's embedding.
const maxHints = 20

// recognise finds out under which names the weights are, and how the picture is
// embedded.
func (f *File) recognise() error {
	read := func(names func(i int) string) {
		f.hints = nil
		for i := range maxHints {
			_, info, ok := f.info(names(i))
			if !ok {
				return
			}
			f.hints = append(f.hints, info.Shape)
		}
	}
	for _, f.prefix = range prefixes {
		if read(func(i int) string { return fmt.Sprintf("%sinput_hint_block.%d.weight", f.prefix, 2*i) }); len(f.hints) > 0 {
			f.Form = FormAuthors
			return f.checkHints()
		}
	}
	f.prefix = ""
	const embedding = "controlnet_cond_embedding."
	read(func(i int) string {
		if i == 0 {
			return embedding + "conv_in.weight"
		}
		return fmt.Sprintf("%sblocks.%d.weight", embedding, i-1)
	})
	if _, last, ok := f.info(embedding + "conv_out.weight"); ok && len(f.hints) > 0 {
		f.Form, f.hints = FormDiffusers, append(f.hints, last.Shape)
		return f.checkHints()
	}
	return fault.Filef("%s holds no ControlNet: no tensor control_model.input_hint_block.0.weight, nor %sconv_in.weight", f.path, embedding)
}

// checkHints wants convolutions of three pixels, two for each size but the first, and
// one at either end, on pictures of three channels.
func (f *File) checkHints() error {
	channels := 3
	for i, s := range f.hints {
		if len(s) != 4 || s[0] < 1 || s[0] > 1<<16 || s[1] != channels || s[2] != 3 || s[3] != 3 {
			return fault.Filef("%s: convolution %d of the picture's embedding has shape %v: want [channels, %d, 3, 3]", f.path, i, s, channels)
		}
		channels = s[0]
	}
	if len(f.hints) < 2 || len(f.hints)%2 != 0 {
		return fault.Filef("%s: the picture's embedding has %d convolutions: want two at the ends, and two for each halving", f.path, len(f.hints))
	}
	return nil
}

// Factor is the ratio of the picture's side to the latent's.
func (f *File) Factor() int { return 1 << (len(f.hints)/2 - 1) }

// Context is the number of channels of the cross-attention, that of the model which the net
// goes with; 0 where it attends to nothing.
func (f *File) Context() int {
	for _, file := range f.files {
		for _, name := range file.Names() {
			if info, ok := file.Info(name); ok && strings.HasPrefix(name, f.prefix) && strings.HasSuffix(name, ".attn2.to_k.weight") && len(info.Shape) == 2 {
				return info.Shape[1]
			}
		}
	}
	return 0
}

// Bytes is the memory of the weights.
func (f *File) Bytes() (n int64) {
	for _, file := range f.files {
		for _, name := range file.Names() {
			if info, ok := file.Info(name); ok && strings.HasPrefix(name, f.prefix) {
				n += int64(info.Shape.Size()) * 4
			}
		}
	}
	return n
}

// Net is the network that the weights are of, beside a U-Net whose latents have so many
// channels.
func (f *File) Net(u unet.Config, channels int) unet.Control {
	u.InChannels, u.NEmbed = channels, 0
	c := unet.Control{Config: u}
	for i := 0; i < len(f.hints)-1; i += 2 {
		c.Hint = append(c.Hint, f.hints[i][0])
	}
	return c
}

// Weights reads the parameters of a network of Net. Those of another U-Net's are an
// error that names them.
func (f *File) Weights(c unet.Control) (engine.Vars, error) {
	params, err := Params(c)
	if err != nil {
		return nil, err
	}
	names := f.names(c)
	vars := engine.Vars{}
	want := map[*checkpoint.File]map[string]checkpoint.Want{}
	var missing []string
	for _, p := range params {
		stored := names(p.Name)
		file, _, ok := f.info(stored)
		if !ok {
			missing = append(missing, stored)
			continue
		}
		if want[file] == nil {
			want[file] = map[string]checkpoint.Want{}
		}
		want[file][p.Name] = checkpoint.Want{Stored: stored, Shape: p.Shape}
	}
	if len(missing) > 0 {
		return nil, fault.Filef("%s is no ControlNet for this model: %d of %d tensors are missing, such as %s", f.path, len(missing), len(params), missing[0])
	}
	for _, file := range f.files {
		read, err := checkpoint.Load(file, want[file], checkpoint.LoadOptions{Loose: true})
		if err != nil {
			return nil, fault.Filef("a ControlNet for another model? %w", err)
		}
		for name, t := range read {
			vars[name] = t
		}
	}
	return vars, nil
}

// Params lists the parameters of a network.
func Params(c unet.Control) ([]nn.ParamSpec, error) {
	g := graph.New()
	b := nn.NewBuilder(g)
	f := c.Factor()
	hint := c.BuildHint(b, g.Input("picture", 1, f*c.HintFactor(), f*c.HintFactor(), 3))
	c.Build(b, c.Smallest(g), hint)
	return b.Params(), g.Err()
}

// names leads from a network's parameters to the names in the files.
func (f *File) names(c unet.Control) func(ours string) string {
	if f.Form == FormAuthors {
		return func(ours string) string { return f.prefix + ours }
	}
	attends := make([]bool, len(c.ChannelMult))
	for level := range attends {
		attends[level] = slices.Contains(c.AttentionResolutions, 1<<level)
	}
	theirs := diffusers.ControlNames(c.NumResBlocks, attends, len(f.hints))
	return func(ours string) string {
		if names := theirs(ours); len(names) > 0 {
			return names[0]
		}
		return ours
	}
}
