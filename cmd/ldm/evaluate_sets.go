package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric/compare"
	"github.com/ldm-go/ldm/metric/features"
	"github.com/ldm-go/ldm/output"
)

// compareFlags are those of commands that compare two sets.
type compareFlags struct {
	featureFlags
	compare.Options
	json bool
	save string
}

func (f *compareFlags) register(cmd *cobra.Command) {
	f.featureFlags.register(cmd)
	f.Options = compare.DefaultOptions()
	cmd.Flags().IntVar(&f.Neighbours, "neighbours", f.Neighbours, "of precision, recall, density and coverage")
	cmd.Flags().IntVar(&f.KIDSubsets, "kid-subsets", f.KIDSubsets, "subsets that KID is averaged over")
	cmd.Flags().IntVar(&f.KIDSize, "kid-subset-size", f.KIDSize, "pictures in each of them (at most as many as there are)")
	cmd.Flags().IntVar(&f.Splits, "is-splits", f.Splits, "splits of the Inception score")
	cmd.Flags().BoolVar(&f.json, "json", false, "print the result as JSON")
	cmd.Flags().StringVar(&f.save, "save-statistics", "", "write the real set's statistics as an .npz file of pytorch-fid's form")
}

func (f *compareFlags) check() error {
	if f.save != "" {
		if err := output.Check(f.save); err != nil {
			return err
		}
	}
	return f.featureFlags.check()
}

// finish compares the sets, prints the figures and ends as the pictures that failed
// want it.
func (f *compareFlags) finish(cmd *cobra.Command, e *features.Extractor, real, fake *compare.Set, more []compare.Figure, failed *failures) error {
	figures, err := within(cmd.Context(), func() ([]compare.Figure, error) { return compare.Compare(e, real, fake, f.Options) })
	if err != nil {
		return err
	}
	if f.save != "" {
		if err := saveStatistics(f.save, real); err != nil {
			return err
		}
	}
	if err := newComparison(e, real, fake, append(figures, more...)).write(cmd.OutOrStdout(), f.json); err != nil {
		return err
	}
	return failed.err(real.Features.N+fake.Features.N+failed.n, "pictures")
}

func evaluateSets() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "sets REAL GENERATED",
		Short: "Compare generated pictures with real ones: FID, KID, IS, precision, recall, density, coverage",
		Long: `Compares two folders of pictures by the features of a network. REAL may also be an
.npz file of statistics (mu and sigma, as pytorch-fid and clean-fid write them, and
evaluate statistics), for FID alone. The Inception score needs Inception's file; with CLIP's
file, pictures that have captions (a.txt beside a.png, metadata.jsonl) get a CLIP score.`,
		Example: "  ldm evaluate sets photos samples\n  ldm evaluate sets ffhq.npz samples --features pt_inception-2015-12-05-6726825d.pth",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			e, err := f.open(nil)
			if err != nil {
				return err
			}
			defer e.Close()
			var failed failures
			real, err := f.set(cmd, e, args[0], &failed)
			if err != nil {
				return err
			}
			generated, err := f.pictures(args[1])
			if err != nil {
				return err
			}
			fake, err := measure(cmd, e, generated, &failed)
			if err != nil {
				return err
			}
			scores, err := f.clipScore(cmd, e, args[1], fake)
			if err != nil {
				return err
			}
			return f.finish(cmd, e, real, fake, scores, &failed)
		},
	}
	f.register(cmd)
	f.registerThreads(cmd)
	return cmd
}

// set measures pictures, or reads their statistics.
func (f *featureFlags) set(cmd *cobra.Command, e *features.Extractor, path string, failed *failures) (*compare.Set, error) {
	if strings.HasSuffix(path, ".npz") {
		return compare.Statistics(path)
	}
	p, err := f.pictures(path)
	if err != nil {
		return nil, err
	}
	return measure(cmd, e, p, failed)
}

// clipScore is the mean CLIP score of a set's captions, where there are a text
// encoder and captions.
func (f *featureFlags) clipScore(cmd *cobra.Command, e *features.Extractor, path string, fake *compare.Set) ([]compare.Figure, error) {
	if !e.Texts() {
		return nil, nil
	}
	set, err := data.OpenSet(path, data.Options{Size: 64, NoHeaders: true})
	if err != nil {
		return nil, err
	}
	defer set.Close()
	captions := map[string]string{}
	for _, item := range set.Items {
		if len(item.Texts) > 0 {
			captions[item.File] = item.Texts[0]
		}
	}
	files, err := data.Pictures([]string{path})
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, i := range fake.Pictures {
		at := i
		if f.count > 0 && f.count < len(files) {
			at = i * len(files) / f.count
		}
		texts = append(texts, captions[files[at]])
	}
	return clipScore(cmd, e, fake, texts)
}

// clipScore is the mean CLIP score of pictures and their texts; those without one
// are left out.
func clipScore(cmd *cobra.Command, e *features.Extractor, fake *compare.Set, texts []string) ([]compare.Figure, error) {
	var sum float64
	n := 0
	for i, text := range texts {
		if text == "" {
			continue
		}
		v, err := e.Text(cmd.Context(), text)
		if err != nil {
			return nil, err
		}
		sum += features.CLIPScore(fake.Features.Row(i), v)
		n++
	}
	if n == 0 {
		return nil, nil
	}
	return []compare.Figure{{Name: "CLIP score", Value: sum / float64(n), How: e.Name}}, nil
}

func evaluateStatistics() *cobra.Command {
	var f featureFlags
	var out string
	cmd := &cobra.Command{
		Use:     "statistics FOLDER -o STATISTICS.npz",
		Short:   "Keep the statistics of a set of pictures, for later comparisons",
		Long:    "Writes the mean and the covariance of the features of a folder's pictures, as mu and\nsigma in an .npz file of pytorch-fid's form, which evaluate sets and other programs read.",
		Example: "  ldm evaluate statistics photos -o photos.npz --features pt_inception-2015-12-05-6726825d.pth",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !strings.HasSuffix(out, ".npz") {
				return fault.Inputf("-o %s: want a name that ends in .npz", out)
			}
			if err := output.Check(out); err != nil {
				return err
			}
			e, err := f.open(nil)
			if err != nil {
				return err
			}
			defer e.Close()
			var failed failures
			p, err := f.pictures(args[0])
			if err != nil {
				return err
			}
			s, err := measure(cmd, e, p, &failed)
			if err != nil {
				return err
			}
			if err := saveStatistics(out, s); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d pictures, %s, %s\n", out, s.Features.N, newComparison(e, s, s, nil).Features, e.Filter)
			return failed.err(p.N, "pictures")
		},
	}
	f.register(cmd)
	f.registerThreads(cmd)
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write")
	cmd.MarkFlagRequired("out")
	return cmd
}
