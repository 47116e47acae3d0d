package ldm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/checkpoint/diffusers"
	"github.com/ldm-go/ldm/checkpoint/recognise"
	"github.com/ldm-go/ldm/config"
)

// Source is a model on disk, opened but not loaded: its configuration, where
// that came from, and its weights.
type Source struct {
	checkpoint.Reader
	Target  config.Target
	From    string   // where the configuration came from
	Known   string   // name of the published model it looks like, or ""
	Assumed []string // what nothing said: what was assumed, and what changes it
}

// OpenSource opens a model: a .safetensors or .ckpt file, or a diffusers folder.
// The configuration is that of the YAML at yamlPath where one is given, else
// what the file says of itself, else config.yaml beside it, else what the names
// and shapes of its tensors tell.
func OpenSource(path, yamlPath string) (*Source, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var s *Source
	if st.IsDir() {
		s, err = openFolder(path)
	} else {
		s, err = openFile(path)
	}
	if err != nil {
		return nil, err
	}
	if yamlPath == "" && s.Target.Target == "" {
		if beside := filepath.Join(filepath.Dir(path), "config.yaml"); isModelConfig(beside) {
			yamlPath = beside
		}
	}
	if yamlPath != "" {
		if s.Target, err = ReadConfig(yamlPath); err != nil {
			s.Close()
			return nil, err
		}
		s.From, s.Assumed = yamlPath, nil
	}
	if s.Target.Target == "" {
		if err := s.recognise(); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// StoredInfo describes a tensor by its name in the files, as Names lists it.
func (s *Source) StoredInfo(name string) (checkpoint.Info, bool) {
	if set, ok := s.Reader.(*checkpoint.Set); ok {
		return set.StoredInfo(name)
	}
	return s.Info(name)
}

func openFile(path string) (*Source, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := sourceOf(f)
	if err != nil {
		f.Close()
	}
	return s, err
}

// sourceOf is the source of weights with the configuration in their metadata,
// if there is one.
func sourceOf(w checkpoint.Reader) (*Source, error) {
	s := &Source{Reader: w}
	if text := w.Metadata()[metaConfig]; text != "" {
		var err error
		s.From = w.Name() + ": " + metaConfig
		if s.Target, err = parseConfig(s.From, []byte(text)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// isModelConfig tells whether a file is there and is the YAML of a model.
func isModelConfig(path string) bool {
	raw, err := os.ReadFile(path)
	return err == nil && strings.Contains(string(raw), "target:")
}

// recognise takes the configuration from the names and shapes of the tensors.
func (s *Source) recognise() error {
	shapes := map[string][]int{}
	for _, name := range s.Names() {
		info, _ := s.Info(name)
		shapes[name] = info.Shape
	}
	m, err := recognise.From(shapes)
	if err != nil {
		return fmt.Errorf("%s comes without a configuration (give its YAML with --config), and %w", s.Name(), err)
	}
	s.Target, s.Known, s.Assumed = m.Target, m.Name, m.Assumed
	s.From = "the names and shapes of its tensors"
	return nil
}

func openFolder(dir string) (*Source, error) {
	layout, err := diffusers.Open(dir, os.DirFS(dir))
	if err != nil {
		return nil, err
	}
	set := checkpoint.NewSet(dir, layout.Name)
	for _, part := range layout.Parts {
		for _, name := range part.Files {
			f, err := checkpoint.Open(filepath.Join(dir, filepath.FromSlash(name)))
			if err != nil {
				set.Close()
				return nil, err
			}
			set.Add(part.Folder, f)
		}
	}
	return &Source{Reader: set, Target: layout.Target, From: "the folder's JSON files", Assumed: layout.Assumed}, nil
}
