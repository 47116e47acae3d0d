// Package compare measures how alike two sets of pictures are, by the features of a
// network, and says with every figure what it was measured with.
package compare

import (
	"context"
	"fmt"
	"image"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric"
	"github.com/ldm-go/ldm/metric/features"
	"github.com/ldm-go/ldm/picture"
)

// Pictures are a set, read one by one.
type Pictures struct {
	Name  string // where they are from
	N     int
	Image func(ctx context.Context, i int) (*image.RGBA, error)
}

// Files are pictures in files, on white where they are transparent.
func Files(name string, paths []string) Pictures {
	return Pictures{name, len(paths), func(_ context.Context, i int) (*image.RGBA, error) {
		img, err := picture.Decode(paths[i])
		if err != nil {
			return nil, err
		}
		return picture.OnWhite(img), nil
	}}
}

// Spread are n of the pictures, evenly spread over them; all where n is 0.
func (p Pictures) Spread(n int) Pictures {
	if n <= 0 || n >= p.N {
		return p
	}
	all := p
	return Pictures{fmt.Sprintf("%s (%d of %d, evenly spread)", p.Name, n, p.N), n, func(ctx context.Context, i int) (*image.RGBA, error) {
		return all.Image(ctx, i*all.N/n)
	}}
}

// Set is what is measured of a set.
type Set struct {
	Name       string
	Statistics metric.Statistics
	Features   metric.Features // none of a file of statistics
	Logits     metric.Features
	Pictures   []int // which picture each row is of: broken ones are left out
}

// Progress is told of what is done, and of pictures that failed, which are left out.
type Progress struct {
	Done   func(n int)
	Failed func(err error)
}

// Measure computes the features of a set.
func Measure(ctx context.Context, e *features.Extractor, p Pictures, progress Progress) (*Set, error) {
	s := &Set{Name: p.Name}
	var imgs []*image.RGBA
	flush := func() error {
		f, l, err := e.Vectors(ctx, imgs)
		for i := range f {
			s.Features.Append(f[i])
			if l != nil {
				s.Logits.Append(l[i])
			}
		}
		imgs = imgs[:0]
		return err
	}
	for i := range p.N {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		img, err := p.Image(ctx, i)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			progress.Failed(err)
		default:
			imgs = append(imgs, img)
			s.Pictures = append(s.Pictures, i)
		}
		if len(imgs) == e.Batch() || i == p.N-1 && len(imgs) > 0 {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		progress.Done(i + 1)
	}
	var err error
	s.Statistics, err = metric.NewStatistics(s.Features)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	return s, nil
}

// Statistics is a set of which only a file of statistics is there.
func Statistics(path string) (*Set, error) {
	s, err := metric.ReadStatistics(path)
	return &Set{Name: path, Statistics: s}, err
}

// Options of the measures.
type Options struct {
	Neighbours int // of precision, recall, density and coverage
	KIDSubsets int
	KIDSize    int // pictures in a subset; at most as many as there are
	Splits     int // of the Inception score
}

// DefaultOptions are those of the papers, and of torch-fidelity.
func DefaultOptions() Options {
	return Options{Neighbours: 5, KIDSubsets: 100, KIDSize: 1000, Splits: 10}
}

// Figure is a measure's result.
type Figure struct {
	Name      string  `json:"name"`
	Value     float64 `json:"value"`
	Deviation float64 `json:"deviation,omitempty"` // over subsets or splits
	How       string  `json:"how,omitempty"`       // the settings it was measured with
}

func (f Figure) String() string {
	text := fmt.Sprintf("%s\t%.6g", f.Name, f.Value)
	if f.Deviation != 0 {
		text += fmt.Sprintf(" ± %.3g", f.Deviation)
	}
	if f.How != "" {
		text += "\t(" + f.How + ")"
	}
	return text
}

// Compare measures generated pictures against real ones: FID, KID, precision,
// recall, density and coverage, and the Inception score where there are logits.
// What needs more pictures than there are is left out.
func Compare(e *features.Extractor, real, fake *Set, o Options) ([]Figure, error) {
	if o.Neighbours < 1 || o.KIDSubsets < 1 || o.KIDSize < 2 || o.Splits < 1 {
		return nil, fault.Inputf("%d neighbours, %d subsets of %d, %d splits: want at least 1, 1, 2 and 1", o.Neighbours, o.KIDSubsets, o.KIDSize, o.Splits)
	}
	fid, err := metric.FID(real.Statistics, fake.Statistics)
	if err != nil {
		return nil, err
	}
	figures := []Figure{{Name: e.Measure("FID"), Value: fid}}
	if n := min(real.Features.N, fake.Features.N); n > 1 {
		subsets, size := o.KIDSubsets, min(o.KIDSize, n)
		if size == real.Features.N && size == fake.Features.N {
			subsets = 1 // all are the same
		}
		mean, deviation, err := metric.KID(real.Features, fake.Features, subsets, size)
		if err != nil {
			return nil, err
		}
		figures = append(figures, Figure{e.Measure("KID"), mean, deviation, fmt.Sprintf("subsets: %d of %d pictures", subsets, size)})
	}
	if n := min(real.Features.N, fake.Features.N); n > o.Neighbours {
		m, err := metric.NewManifold(real.Features, fake.Features, o.Neighbours)
		if err != nil {
			return nil, err
		}
		how := fmt.Sprintf("neighbours: %d", o.Neighbours)
		for _, f := range []Figure{{Name: "precision", Value: m.Precision}, {Name: "recall", Value: m.Recall}, {Name: "density", Value: m.Density}, {Name: "coverage", Value: m.Coverage}} {
			figures = append(figures, Figure{Name: e.Measure(f.Name), Value: f.Value, How: how})
		}
	}
	if splits := min(o.Splits, fake.Logits.N); splits > 0 {
		mean, deviation, err := metric.InceptionScore(fake.Logits.Shuffled(), splits)
		if err != nil {
			return nil, err
		}
		figures = append(figures, Figure{"IS", mean, deviation, fmt.Sprintf("splits: %d", splits)})
	}
	return figures, nil
}
