// Package taesd reads tiny autoencoders (TAESD and its like) in the forms in
// which they are published: encoder and decoder in two files of numbered layers,
// or in one file under the prefixes of ComfyUI or of diffusers.
package taesd

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
)

// The halves of an autoencoder, which are the parts of the set of its files.
const (
	encoder = "encoder"
	decoder = "decoder"
)

// half is where the layers of an encoder or a decoder lie in a file.
type half struct {
	prefix string
	shift  int // a layer's number in the published Python class less that in the file
}

func (h half) stored(layer int, rest string) string {
	return h.prefix + strconv.Itoa(layer-h.shift) + rest
}

// halves are the places where an encoder and a decoder may lie. In diffusers the
// bound on the decoder's input is no layer.
var halves = map[string][]half{
	encoder: {{"encoder.layers.", 0}, {"taesd_encoder.", 0}, {"encoder.", 0}, {"", 0}},
	decoder: {{"decoder.layers.", 1}, {"taesd_decoder.", 0}, {"decoder.", 0}, {"", 0}},
}

// find tells whether a half is in a file, and where: it begins with a convolution
// whose weight has one side of few channels, and a residual block follows.
func find(f checkpoint.Reader, part string) (half, bool) {
	first, block := 0, 1
	if part == decoder {
		first, block = 1, 3
	}
	for _, h := range halves[part] {
		_, begins := f.Info(h.stored(first, ".bias"))
		_, follows := f.Info(h.stored(block, ".conv.4.weight"))
		if begins && follows {
			return h, true
		}
	}
	return half{}, false
}

// Is tells whether a file holds a tiny autoencoder or one half of it.
func Is(f checkpoint.Reader) bool {
	_, e := find(f, encoder)
	_, d := find(f, decoder)
	return e || d
}

// Autoencoder is an opened tiny autoencoder.
type Autoencoder struct {
	Set    *checkpoint.Set
	Target config.Target
	Notes  []string // what is not there

	places map[string]place
}

// place is where a half is: in which part of the set, under which names.
type place struct {
	half
	part string
	file *checkpoint.File
}

// Open takes over a file for which Is holds; it is closed with the set, or where
// there is an error. The other half is looked for beside it, under the same name
// with decoder for encoder or the reverse: open is called with that name, where
// name is the file's own.
func Open(f *checkpoint.File, name string, open func(name string) (*checkpoint.File, error)) (*Autoencoder, error) {
	a := &Autoencoder{places: map[string]place{}}
	a.Set = checkpoint.NewSet(f.Name(), a.rename)
	if err := a.open(f, name, open); err != nil {
		a.Set.Close()
		return nil, err
	}
	return a, nil
}

func (a *Autoencoder) open(f *checkpoint.File, name string, open func(name string) (*checkpoint.File, error)) error {
	a.add(f)
	if len(a.places) < len(halves) {
		if err := a.addOther(f.Name(), name, open); err != nil {
			return err
		}
	}
	cfg, err := a.config()
	if err != nil {
		return err
	}
	params, err := config.Map(cfg)
	a.Target = config.Target{Target: config.TargetAutoencoderTiny, Params: params}
	return err
}

// add adds a file with the halves in it that are not there yet.
func (a *Autoencoder) add(f *checkpoint.File) {
	part := filepath.Base(f.Name())
	a.Set.Add(part, f)
	for _, side := range []string{encoder, decoder} {
		_, there := a.places[side]
		if h, ok := find(f, side); ok && !there {
			a.places[side] = place{h, part, f}
		}
	}
}

// addOther looks for the half that is not there in the file that belongs to name.
func (a *Autoencoder) addOther(path, name string, open func(name string) (*checkpoint.File, error)) error {
	have, want := encoder, decoder
	if _, ok := a.places[decoder]; ok {
		have, want = want, have
	}
	missing := func(format string, args ...any) error {
		a.Notes = append(a.Notes, fmt.Sprintf("%s holds the %s of a tiny autoencoder alone; ", path, have)+fmt.Sprintf(format, args...))
		return nil
	}
	dir, base := name[:strings.LastIndex(name, "/")+1], name[strings.LastIndex(name, "/")+1:]
	i := strings.LastIndex(base, have)
	if i < 0 {
		return missing("its %s is looked for where the name says %s", want, have)
	}
	other := base[:i] + want + base[i+len(have):]
	f, err := open(dir + other)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing("its %s is not beside it, as %s", want, other)
	case err != nil:
		return err
	}
	if _, ok := find(f, want); !ok {
		f.Close()
		return fault.Filef("%s is beside %s, but holds no %s of a tiny autoencoder", f.Name(), path, want)
	}
	a.add(f)
	return nil
}

// rename tells where a parameter of the network is stored.
func (a *Autoencoder) rename(name string) (part string, names []string, ok bool) {
	side, rest, _ := strings.Cut(name, ".")
	number, rest, _ := strings.Cut(rest, ".")
	layer, err := strconv.Atoi(number)
	p, ok := a.places[side]
	if !ok || err != nil {
		return "", nil, false
	}
	return p.part, []string{p.stored(layer, "."+rest)}, true
}
