package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric/compare"
	"github.com/ldm-go/ldm/metric/features"
	"github.com/ldm-go/ldm/output"
)

func evaluate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "evaluate",
		Short: "Measure a model, or sets of pictures",
		Long: `Measures a model, or sets of pictures. Sets are compared by the features of a
network: of SqueezeNet, which is in the program and named in every figure
(FID-SqueezeNet), or with --features of Inception, by which FID is defined, or of CLIP's
image encoder. Figures can be compared with others of the same network, filter and
number of pictures alone, all of which are printed with them.`,
	}
	cmd.AddCommand(evaluateSets(), evaluateModel(), evaluatePairs(), evaluateNearest(), evaluateStatistics(), evaluateCaptions(), evaluateLayout(), evaluateSemantic(), evaluateUpscale(), evaluateInpaint())
	return cmd
}

// featureFlags choose the network by whose features sets are compared.
type featureFlags struct {
	network, filter string
	count, threads  int
}

func (f *featureFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.network, "features", "", "file of Inception (as pytorch-fid and torch-fidelity publish it) or of CLIP (default: SqueezeNet in this program)")
	cmd.Flags().StringVar(&f.filter, "filter", "", "how pictures are brought to Inception's size: "+strings.Join(features.Filters(), ", ")+" (default: the first)")
	cmd.Flags().IntVar(&f.count, "count", 0, "pictures of each set, evenly spread over it (default: all)")
}

// registerThreads adds the flag that the flags of models have already.
func (f *featureFlags) registerThreads(cmd *cobra.Command) {
	cmd.Flags().IntVarP(&f.threads, "threads", "t", 0, "threads (default: all processors)")
}

func (f *featureFlags) check() error {
	if f.count < 0 || f.threads < 0 {
		return fault.Inputf("--count %d, --threads %d: want at least 1, or 0 for all", f.count, f.threads)
	}
	return nil
}

// open loads the network; eng is the engine of a model, or nil.
func (f *featureFlags) open(eng engine.Engine) (*features.Extractor, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if eng == nil {
		eng = cpu.New(cpu.Options{Threads: f.threads})
	}
	if f.network == "" {
		if f.filter != "" {
			return nil, fault.Inputf("--filter %s is one of Inception's: want its file as --features", f.filter)
		}
		return features.SqueezeNet(eng, engine.Options{})
	}
	return features.Open(f.network, f.filter, eng, engine.Options{})
}

// measure computes the features of a set with a meter; pictures that fail are
// counted.
func measure(cmd *cobra.Command, e *features.Extractor, p compare.Pictures, failed *failures) (*compare.Set, error) {
	m := newMeter("measuring "+p.Name, p.N, "pictures")
	defer m.Close()
	return compare.Measure(cmd.Context(), e, p, compare.Progress{
		Done:   func(n int) { m.Set(float64(n)) },
		Failed: func(err error) { failed.add(m, err) },
	})
}

// pictures lists the pictures at a path.
func (f *featureFlags) pictures(path string) (compare.Pictures, error) {
	files, err := data.Pictures([]string{path})
	if err != nil {
		return compare.Pictures{}, err
	}
	return compare.Files(path, files).Spread(f.count), nil
}

// comparison is a result, which is written as lines or as JSON.
type comparison struct {
	Features string           `json:"features"` // the network
	Filter   string           `json:"filter"`
	Real     string           `json:"real"`
	Pictures [2]int           `json:"pictures"` // real ones, generated ones
	Fake     string           `json:"generated"`
	Figures  []compare.Figure `json:"figures"`
}

func newComparison(e *features.Extractor, real, fake *compare.Set, figures []compare.Figure) comparison {
	name := e.Name
	if name == "" {
		name = "Inception"
	}
	return comparison{name, e.Filter, real.Name, [2]int{real.Features.N, fake.Features.N}, fake.Name, figures}
}

func (r comparison) write(w io.Writer, asJSON bool) error {
	if asJSON {
		raw, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, string(raw))
		return err
	}
	number := func(n int) string {
		if n == 0 {
			return "a file of statistics"
		}
		return fmt.Sprintf("%d pictures", n)
	}
	lines := []string{
		"features\t" + r.Features + ", " + r.Filter,
		"real\t" + r.Real + ": " + number(r.Pictures[0]),
		"generated\t" + r.Fake + ": " + number(r.Pictures[1]),
	}
	for _, f := range r.Figures {
		lines = append(lines, f.String())
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// saveStatistics writes a set's statistics in pytorch-fid's form.
func saveStatistics(path string, s *compare.Set) error {
	return output.Write(path, func(w io.Writer) error {
		_, err := s.Statistics.WriteTo(w)
		return err
	})
}
