package modelfile

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/checkpoint/recognise"
	"github.com/ldm-go/ldm/checkpoint/taesd"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
)

// File is a model's file or folder, opened but not loaded: its configuration,
// where that came from, and a reader of its weights.
type File struct {
	checkpoint.Reader
	Target  config.Target
	From    string   // where the configuration came from
	Known   string   // name of the published model it looks like, or ""
	Assumed []string // what nothing said: what was assumed, and what changes it
	Format  string   // safetensors, ckpt (zip), ckpt (legacy), diffusers folder

	opt Options
}

// Open opens a model: a .safetensors or .ckpt file, or a diffusers folder. The
// configuration is that of the YAML of the options where they name one, else what
// the file says of itself, else config.yaml beside it, else what the names and
// shapes of its tensors tell.
func Open(path string, o Options) (*File, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	dir, name := filepath.Dir(path), filepath.Base(path)
	if st.IsDir() {
		dir, name = path, "."
	}
	onDisk := func(name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }
	return place{
		FS: os.DirFS(dir), path: onDisk,
		open: func(name string) (*checkpoint.File, error) { return checkpoint.Open(onDisk(name)) },
	}.openModel(name, st.IsDir(), o)
}

// OpenFS is Open in a file system, such as one that is embedded in a program.
// The YAML of the options still is a path of the system's.
func OpenFS(fsys fs.FS, name string, o Options) (*File, error) {
	st, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, err
	}
	inside := func(name string) string { return name }
	if st.IsDir() {
		if fsys, err = fs.Sub(fsys, name); err != nil {
			return nil, err
		}
		inside = func(below string) string { return path.Join(name, below) }
	}
	return place{
		FS: fsys, path: inside,
		open: func(name string) (*checkpoint.File, error) { return checkpoint.OpenFS(fsys, name) },
	}.openModel(name, st.IsDir(), o)
}

// place is where a model lies.
type place struct {
	fs.FS
	path func(name string) string // for messages
	open func(name string) (*checkpoint.File, error)
}

func (p place) openModel(name string, folder bool, o Options) (*File, error) {
	var f *File
	var err error
	beside := path.Join(path.Dir(name), "config.yaml")
	if folder {
		f, err = p.openFolder(o)
		beside = "config.yaml"
	} else {
		f, err = p.openFile(name, o)
	}
	if err != nil {
		return nil, err
	}
	if err := p.configure(f, beside); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// configure settles the configuration of a file that may say nothing of itself.
func (p place) configure(f *File, beside string) error {
	switch raw, err := fs.ReadFile(p.FS, beside); {
	case f.opt.Config != "" || f.Target.Target != "":
	case err == nil && strings.Contains(string(raw), "target:") && !model.IsRun(raw): // else no model's YAML
		f.From, f.Assumed = p.path(beside), nil
		if f.Target, err = model.ParseConfig(f.From, raw); err != nil {
			return err
		}
	}
	return f.complete()
}

// New is the model of any reader of weights, such as one that is made of
// others: its configuration is that of the options' YAML, or what its metadata
// or the names and shapes of its tensors tell.
func New(r checkpoint.Reader, o Options) (*File, error) {
	f, err := describe(r, o)
	if err != nil {
		return nil, err
	}
	return f, f.complete()
}

// describe is New without what only names and shapes tell.
func describe(r checkpoint.Reader, o Options) (*File, error) {
	f := &File{Reader: r, opt: o}
	if file, ok := r.(*checkpoint.File); ok {
		f.Format = file.Format
	}
	if names := recognise.Rename(r.Names()); names != nil {
		f.Reader = checkpoint.Rename(r, names)
	}
	if o.Wrap != nil {
		f.Reader = o.Wrap(f.Reader)
	}
	if step := f.Metadata()[metaStep]; step != "" {
		return nil, fault.Inputf("%s is the state of a training run at step %s, which that run goes on from: give %s beside it", f.Name(), step, modelName)
	}
	text := f.Metadata()[metaConfig]
	if text == "" {
		return f, nil
	}
	f.From = f.Name() + ": " + metaConfig
	var err error
	f.Target, err = model.ParseConfig(f.From, []byte(text))
	return f, err
}

// complete takes the configuration from the options' YAML, or from names and
// shapes where there is none yet.
func (f *File) complete() (err error) {
	if path := f.opt.Config; path != "" {
		f.From, f.Assumed, f.Known = path, nil, ""
		if f.Target, err = model.ReadConfig(path); err != nil {
			return err
		}
		if f.Target.Target == "" {
			return fault.Inputf("%s has no model.target: want the YAML of a model", path)
		}
	}
	if f.Target.Target == "" {
		if err := f.recognise(); err != nil {
			return err
		}
	}
	if err := f.heedMarks(); err != nil {
		return err
	}
	f.predict()
	return nil
}

// heedMarks takes what keys of the file say by being there, where the
// configuration does not say otherwise.
func (f *File) heedMarks() error {
	recognised := f.Known != "" || f.From == fromShapes
	for _, mark := range []struct {
		name, key string
		value     any
	}{{model.NameV, "parameterization", "v"}, {model.NameZeroSNR, "rescale_betas_zero_snr", true}} {
		if _, ok := f.Info(mark.name); !ok {
			continue
		}
		said, given := f.Target.Params[mark.key]
		switch {
		case !model.IsDiffusion(f.Target):
			return nil
		case given && said == mark.value:
			continue
		case given && !recognised:
			f.opt.log("the file holds the key %s, but the configuration says %s: %v, which is taken", mark.name, mark.key, said)
			continue
		}
		f.Target.Params = maps.Clone(f.Target.Params)
		f.Target.Params[mark.key] = mark.value
		f.Assumed = slices.DeleteFunc(f.Assumed, func(line string) bool { return strings.Contains(line, "("+mark.key) })
		f.opt.log("%s: %v, as the key %s in the file says", mark.key, mark.value, mark.name)
	}
	return nil
}

func (p place) openFile(name string, o Options) (*File, error) {
	r, err := p.open(name)
	if err != nil {
		return nil, err
	}
	if r.Metadata()[metaConfig] == "" && taesd.Is(r) {
		return p.openTiny(r, name, o)
	}
	if o.Config == "" && diffusersStage(r) {
		f, err := p.openStageFile(r, name, o)
		if err != nil {
			r.Close()
		}
		if f != nil || err != nil {
			return f, err
		}
	}
	f, err := describe(r, o)
	if err != nil {
		r.Close()
	}
	return f, err
}

// openTiny opens a tiny autoencoder, whose halves may be two files.
func (p place) openTiny(r *checkpoint.File, name string, o Options) (*File, error) {
	tiny, err := taesd.Open(r, name, p.open)
	if err != nil {
		return nil, err
	}
	f, err := describe(tiny.Set, o)
	if err != nil {
		tiny.Set.Close()
		return nil, err
	}
	f.Target, f.From, f.Assumed, f.Format = tiny.Target, fromShapes, tiny.Notes, r.Format
	f.Known = "TAESD"
	return f, nil
}

// dictionaries says which dictionaries of tensors a checkpoint holds beside a
// state dict.
func (f *File) dictionaries() string {
	var all []string
	meta := f.Metadata()
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		if strings.HasPrefix(meta[key], "a dictionary of ") && key != "state_dict" {
			all = append(all, key+" is "+meta[key])
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "; in the file " + strings.Join(all, ", ")
}

// ignores tells whether a name is among those that need not fit.
func (f *File) ignores(name string) bool {
	return slices.ContainsFunc(f.opt.IgnoreKeys, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

const fromShapes = "the names and shapes of its tensors"

// recognise takes the configuration from the names and shapes of the tensors.
func (f *File) recognise() error {
	shapes := map[string][]int{}
	for _, name := range f.Names() {
		if info, _ := f.Info(name); !f.ignores(name) {
			shapes[name] = info.Shape
		}
	}
	m, err := recognise.From(shapes)
	if err != nil {
		if errors.Is(err, fault.Unsupported) {
			return fault.Unsupportedf("%s %w", f.Name(), err)
		}
		return fault.Filef("%s comes without a configuration (give its YAML with --config), and %w%s", f.Name(), err, f.dictionaries())
	}
	f.Target, f.Known, f.Assumed = m.Target, m.Name, m.Assumed
	f.From = fromShapes
	return f.guessV()
}
