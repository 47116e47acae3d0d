package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine/programs"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/picture"
)

// Prior configures pictures that keep a model from forgetting what else it can draw
// while it learns from few ("prior preservation", Ruiz et al., arXiv 2208.12242,
// equation 2): every second update is on pictures of the class.
type Prior struct {
	Prompt string  `yaml:"prompt"` // what they show, such as "a dog": the caption of those without one
	Folder string  `yaml:"folder"` // where they are; empty: the model draws them, and they are kept in the run's folder
	Count  int     `yaml:"count"`  // of pictures that are drawn
	Weight float64 `yaml:"weight"` // of their loss, where that of the others is 1
}

// DefaultPrior are the values of a configuration that says nothing: there is none
// without a prompt or a folder.
func DefaultPrior() Prior { return Prior{Count: 100, Weight: 1} }

// ClassFolder is where a run keeps the pictures that it has drawn of the class.
const ClassFolder = "class"

func (p Prior) on() bool { return p.Prompt != "" || p.Folder != "" }

func (p Prior) validate() error {
	switch {
	case !(p.Weight > 0) || math.IsInf(p.Weight, 0):
		return fault.Inputf("prior.weight is %g: want more than 0", p.Weight)
	case p.Count < 1 || p.Count > 100000:
		return fault.Inputf("prior.count is %d: want 1 to 100000", p.Count)
	}
	return nil
}

// prior are the pictures of the class that a run learns from beside its own.
type prior struct {
	from   *latents // nil: there are none
	weight float64
}

// openPrior reads the pictures of the class, and has the model draw them first where
// no folder has them.
func (s *secondStage) openPrior(ctx context.Context, p Prior, open func() (*modelfile.File, error)) error {
	if err := p.validate(); err != nil || !p.on() {
		return err
	}
	folder := p.Folder
	if folder == "" {
		folder = filepath.Join(s.run.Dir, ClassFolder)
		if err := s.drawClass(ctx, p, folder, open); err != nil {
			return fmt.Errorf("pictures of %q: %w", p.Prompt, err)
		}
	}
	set, err := data.OpenSet(folder, data.Options{Size: s.cfg.Data.Size, Classes: s.classes, RandomCrop: s.cfg.Data.Crop == cropRandom, Err: ctx.Err})
	if err != nil {
		return fmt.Errorf("prior.folder: %w", err)
	}
	for i := range set.Items {
		if p.Prompt != "" && (p.Folder == "" || len(set.Items[i].Texts) == 0) {
			set.Items[i].Texts = []string{p.Prompt}
		}
	}
	if s.net.TextLength() > 0 && !s.net.LayoutTokens() {
		if err := set.RequireCaptions(); err != nil {
			return fmt.Errorf("%s: %w; or prior.prompt, what they show", folder, err)
		}
	}
	f := &feed{Loader: data.Loader{Set: set, Batch: s.train.Batch, Seed: s.cfg.Train.Seed, Mirror: s.cfg.Data.Flip}, run: s.run}
	f.describe("class")
	s.prior = prior{newLatents(s.latents.stage, f), p.Weight}
	return nil
}

// drawClass has the model draw the pictures that are not there yet.
func (s *secondStage) drawClass(ctx context.Context, p Prior, folder string, open func() (*modelfile.File, error)) error {
	if s.net.TextLength() == 0 || s.net.LayoutTokens() {
		return fault.Unsupportedf("the model takes no texts that they could be drawn by: want prior.folder")
	}
	name := func(i int) string { return filepath.Join(folder, fmt.Sprintf("%05d.png", i)) }
	first := 0
	for ; first < p.Count; first++ {
		if _, err := os.Stat(name(first)); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
	}
	if first == p.Count {
		return nil
	}
	file, err := open()
	if err != nil {
		return err
	}
	m, err := ldm.Load(file, ldm.Options{Engine: s.run.Engine, Precision: s.cfg.Train.Precision, Keep: programs.Limits{}})
	if err != nil {
		file.Close()
		return err
	}
	defer m.Close()
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	s.run.line("drawing %d pictures of %q", p.Count-first, p.Prompt)
	for at := first; at < p.Count; {
		n := min(4, p.Count-at)
		out, err := m.Generate(ctx, ldm.Request{
			Condition: ldm.Prompt(p.Prompt), Seeds: ldm.Seeds(s.cfg.Train.Seed+uint64(at), n), Steps: s.cfg.Samples.Steps, Guidance: s.cfg.Samples.Scale,
			Width: s.cfg.Data.Size, Height: s.cfg.Data.Size,
		})
		if err != nil {
			return err
		}
		for _, img := range out.Images {
			if err := picture.Save(name(at), img, picture.Options{}); err != nil {
				return err
			}
			at++
		}
		s.run.line("%d of %d pictures of %q", at, p.Count, p.Prompt)
	}
	return nil
}
