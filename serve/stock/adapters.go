package stock

import (
	"cmp"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/embedding"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/job"
)

// words are the learnt words of a folder.
type words struct {
	version int // changes with every look at the folder
	files   map[int][]string
	list    []catalog.Word
}

// Adapters implements serve.Models.
func (s *Stock) Adapters() catalog.Adapters {
	s.mu.Lock()
	defer s.mu.Unlock()
	return catalog.Adapters{LoRAs: s.loras, Words: s.words.list, Controls: s.nets, Databases: s.bases}
}

// files lists the adapters of a folder and those below it, sorted.
func files(dir string) (paths []string, err error) {
	if dir == "" {
		return nil, nil
	}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if path == dir {
				return err
			}
			return nil // a folder that may not be read hides itself alone
		}
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && slices.Contains(lora.Extensions, strings.ToLower(filepath.Ext(path))) {
			paths = append(paths, path)
		}
		return nil
	})
	return paths, err
}

// scanLoRAs looks at the folder of LoRAs.
func (s *Stock) scanLoRAs() ([]catalog.LoRA, error) {
	paths, err := files(s.opt.LoRAs)
	if err != nil {
		return nil, err
	}
	stem := func(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) }
	count := map[string]int{}
	for _, path := range paths {
		count[stem(filepath.Base(path))]++
	}
	list := []catalog.LoRA{}
	for _, path := range paths {
		f, err := checkpoint.Open(path)
		if err != nil {
			s.opt.Log.Warn("not a LoRA that can be used", "path", path, "error", err)
			continue
		}
		inside, _ := filepath.Rel(s.opt.LoRAs, path)
		l := catalog.LoRA{File: filepath.ToSlash(inside), Name: stem(filepath.Base(path)), Metadata: f.Metadata()}
		if count[l.Name] > 1 {
			l.Name = stem(l.File)
		}
		l.Alias = cmp.Or(f.Metadata()["ss_output_name"], l.Name)
		f.Close()
		list = append(list, l)
	}
	return list, nil
}

// scanWords looks at the folder of learnt words. Of two words of one name and width the
// first counts.
func (s *Stock) scanWords() (words, error) {
	w := words{files: map[int][]string{}}
	paths, err := files(s.opt.Words)
	if err != nil {
		return w, err
	}
	for _, path := range paths {
		width, learnt, err := look(path)
		if err == nil {
			for _, one := range learnt {
				if slices.ContainsFunc(w.list, func(k catalog.Word) bool { return k.Width == width && strings.EqualFold(k.Name, one.Name) }) {
					err = fault.Inputf("there is a word %q already", one.Name)
				}
			}
		}
		if err != nil {
			s.opt.Log.Warn("not an embedding that can be used", "path", path, "error", err)
			continue
		}
		w.files[width] = append(w.files[width], path)
		for _, one := range learnt {
			w.list = append(w.list, catalog.Word{Name: one.Name, Width: width, Vectors: one.Vectors.Shape[0]})
		}
	}
	return w, nil
}

// look reads the words of a file, and for how many channels they are.
func look(path string) (width int, learnt []embedding.Word, err error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return 0, nil, err
	}
	for _, name := range f.Names() {
		if info, ok := f.Info(name); ok && len(info.Shape) > 0 {
			width = info.Shape[len(info.Shape)-1]
			break
		}
	}
	f.Close()
	learnt, err = embedding.Open(path, "", width)
	return width, learnt, err
}

// uses are the files of the LoRAs that a job asks for.
func (s *Stock) uses(r job.Request) (uses []lora.Use, err error) {
	have := s.Adapters()
	for _, want := range r.LoRAs {
		l, ok := have.LoRA(want.Name)
		if !ok {
			return nil, fault.Inputf("there is no LoRA %q any more", want.Name)
		}
		uses = append(uses, lora.Use{Path: filepath.Join(s.opt.LoRAs, filepath.FromSlash(l.File)), UNet: want.UNet, Text: want.Text})
	}
	return uses, nil
}

// adapt gives a model the LoRAs that a job asks for, and the words that were learnt, and
// keeps both until release is called. What of the LoRAs fits nothing is said in remarks.
func (s *Stock) adapt(ctx context.Context, k *kind, m *ldm.Model, r job.Request) (remarks []string, release func(), err error) {
	uses, err := s.uses(r)
	if err != nil {
		return nil, nil, err
	}
	for {
		s.mu.Lock()
		w := s.words
		s.mu.Unlock()
		k.adapted.RLock()
		if k.taught == w.version && slices.Equal(k.set, uses) {
			return k.remarks, k.adapted.RUnlock, nil
		}
		k.adapted.RUnlock()
		k.adapted.Lock()
		err := s.change(ctx, k, m, uses, w)
		k.adapted.Unlock()
		if err != nil {
			return nil, nil, err
		}
	}
}

// change is called while no job uses the model.
func (s *Stock) change(ctx context.Context, k *kind, m *ldm.Model, uses []lora.Use, w words) error {
	if clip := m.Network().CLIP; k.taught != w.version {
		if clip != nil && (s.opt.Words != "") {
			if _, err := m.SetEmbeddings(w.files[clip.Width]...); err != nil {
				return s.plain(err)
			}
		}
		k.taught = w.version
	}
	if slices.Equal(k.set, uses) {
		return nil
	}
	unused, err := m.SetLoRA(ctx, uses...)
	if err != nil {
		return s.plain(err)
	}
	k.set, k.remarks = uses, nil
	const most = 8
	for i, line := range unused {
		if i == most {
			k.remarks = append(k.remarks, "and more that fits nothing")
			break
		}
		k.remarks = append(k.remarks, "not used: "+s.inside(line))
	}
	return nil
}

// inside is a text without the path of the folders: clients are not told where they are.
func (s *Stock) inside(text string) string {
	for _, dir := range []string{s.opt.LoRAs, s.opt.Words, s.opt.Controls, s.opt.Databases} {
		if dir != "" {
			text = strings.ReplaceAll(text, filepath.Clean(dir)+string(os.PathSeparator), "")
		}
	}
	return text
}

// plain is an error of a file of the folders as clients may read it.
func (s *Stock) plain(err error) error {
	text := s.inside(err.Error())
	if text == err.Error() {
		return err
	}
	return fault.Inputf("%s", text)
}
