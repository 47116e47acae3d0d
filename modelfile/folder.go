package modelfile

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/checkpoint/diffusers"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
)

// modelName is what a run calls its model.
const modelName = "model.safetensors"

// openFolder opens what a folder is: a model of diffusers, a first stage of one,
// or where a run or a person put one model file.
func (p place) openFolder(o Options) (*File, error) {
	if _, err := fs.ReadDir(p.FS, "."); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", p.path("."), err)
	}
	if p.has(diffusers.Index) {
		layout, err := diffusers.Open(p.path("."), p.FS)
		if err != nil {
			return nil, err
		}
		return p.openLayout(layout, "diffusers folder", o)
	}
	class := diffusers.Component(p.path("."), p.FS)
	switch {
	case diffusers.IsStage(class):
		layout, err := diffusers.OpenStage(p.path("."), p.FS)
		if err != nil {
			return nil, err
		}
		return p.openLayout(layout, "diffusers folder of a first stage", o)
	case class != "" && !diffusers.IsTiny(class):
		return nil, fault.Inputf("%s is one component of a model (%s): give the folder above it, which has %s", p.path("."), class, diffusers.Index)
	}
	files := p.modelFiles()
	switch {
	case slices.Contains(files, modelName):
		return p.openFile(modelName, o)
	case len(files) == 1:
		return p.openFile(files[0], o)
	case len(files) > 1:
		return nil, fault.Inputf("%s holds %d model files: give one of %s", p.path("."), len(files), strings.Join(files[:min(len(files), 8)], ", "))
	}
	return nil, fault.Inputf("%s is a folder without a model: want one with %s (diffusers), a run's with %s, or a file .safetensors or .ckpt", p.path("."), diffusers.Index, modelName)
}

func (p place) has(name string) bool {
	st, err := fs.Stat(p.FS, name)
	return err == nil && !st.IsDir()
}

// modelFiles are those that a name tells.
func (p place) modelFiles() (files []string) {
	entries, _ := fs.ReadDir(p.FS, ".")
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() && name[0] != '.' && slices.Contains([]string{".safetensors", ".ckpt", ".pt", ".pth", ".bin"}, strings.ToLower(path.Ext(name))) {
			files = append(files, name)
		}
	}
	return files
}

// openLayout opens the weight files of a folder of diffusers.
func (p place) openLayout(layout *diffusers.Layout, format string, o Options) (*File, error) {
	set := checkpoint.NewSet(p.path("."), layout.Name)
	for _, part := range layout.Parts {
		for _, name := range part.Files {
			f, err := p.open(name)
			if err != nil {
				set.Close()
				return nil, err
			}
			set.Add(part.Folder, f)
		}
	}
	f, err := describe(set, o)
	if err != nil {
		set.Close()
		return nil, err
	}
	f.Target, f.From, f.Assumed, f.Format = layout.Target, "the folder's JSON files", layout.Assumed, format
	return f, nil
}

// openStageFile opens a weight file of diffusers' naming with the JSON file
// beside it, which says what it is; nil where that is no first stage.
func (p place) openStageFile(r *checkpoint.File, name string, o Options) (*File, error) {
	dir := path.Dir(name)
	sub, err := fs.Sub(p.FS, dir)
	if err != nil || !diffusers.IsStage(diffusers.Component(p.path(dir), sub)) {
		return nil, nil
	}
	layout, err := diffusers.OpenStage(p.path(dir), sub)
	if err != nil {
		return nil, err
	}
	set := checkpoint.NewSet(r.Name(), layout.Name)
	set.Add(".", r)
	f, err := describe(set, o)
	if err != nil {
		return nil, err
	}
	f.Target, f.From, f.Assumed, f.Format = layout.Target, p.path(path.Join(dir, diffusers.ConfigFile)), layout.Assumed, r.Format
	return f, nil
}

// diffusersStage tells whether names are those of a first stage of diffusers.
func diffusersStage(r checkpoint.Reader) bool {
	return slices.ContainsFunc(r.Names(), func(name string) bool { return strings.HasPrefix(name, "encoder.down_blocks.") }) &&
		!slices.ContainsFunc(r.Names(), func(name string) bool { return strings.HasPrefix(name, model.PrefixUNet+".") })
}
