package bench

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ldm-go/ldm/engine/cpu"
)

// table aligns columns that are divided by tabs.
func table(w io.Writer, rows func(row func(format string, args ...any))) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	rows(func(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) })
	return t.Flush()
}

// kind is the operation of a step, with the addition that was fused to a product.
func kind(s cpu.StepCost) string {
	op := s.Name[strings.LastIndexByte(s.Name, '.')+1:]
	if s.Algorithm != "" && op != s.Op {
		return op + " + add"
	}
	return s.Op
}

// total is a sum over steps.
type total struct {
	name  string
	steps int
	time  time.Duration
	flops int64
}

// totals adds up the steps of one key, longest time (or most work) first. Steps
// with an empty key do not count.
func totals(steps []cpu.StepCost, key func(cpu.StepCost) string) []total {
	at := map[string]int{}
	var all []total
	for _, s := range steps {
		k := key(s)
		if k == "" {
			continue
		}
		i, ok := at[k]
		if !ok {
			i, at[k] = len(all), len(all)
			all = append(all, total{name: k})
		}
		all[i].steps++
		all[i].time += s.Time
		all[i].flops += s.Flops
	}
	slices.SortStableFunc(all, func(a, b total) int {
		return cmp.Or(cmp.Compare(b.time, a.time), cmp.Compare(b.flops, a.flops))
	})
	return all
}

func algorithm(s cpu.StepCost) string { return s.Algorithm }

// WritePlan prints the algorithm of every product, and what each has to do.
func WritePlan(w io.Writer, steps []cpu.StepCost) error {
	return table(w, func(row func(string, ...any)) {
		row("product\tGFLOP\talgorithm")
		for _, s := range steps {
			if s.Algorithm != "" {
				row("%s\t%.3f\t%s", s.Name, float64(s.Flops)/1e9, s.Algorithm)
			}
		}
		row("\nalgorithm\tproducts\tGFLOP")
		for _, t := range totals(steps, algorithm) {
			row("%s\t%d\t%.1f", t.name, t.steps, float64(t.flops)/1e9)
		}
	})
}

// WriteProfile prints where the time of a run went: by operation, by algorithm,
// and in the longest single steps.
func WriteProfile(w io.Writer, r Result) error {
	const longest = 20
	var all time.Duration
	for _, s := range r.Steps {
		all += s.Time
	}
	cost := func(t time.Duration, flops int64) string {
		speed := "-"
		if flops > 0 && t > 0 {
			speed = fmt.Sprintf("%.1f", float64(flops)*float64(r.Runs)/float64(t.Nanoseconds()))
		}
		return fmt.Sprintf("%.2f\t%.1f\t%s", t.Seconds()*1e3/float64(max(r.Runs, 1)), 100*t.Seconds()/max(all.Seconds(), 1e-9), speed)
	}
	const head = "\tms\t%%\tGFLOP/s"
	return table(w, func(row func(string, ...any)) {
		for _, by := range []struct {
			name string
			key  func(cpu.StepCost) string
		}{{"operation", kind}, {"algorithm", algorithm}} {
			row(by.name + "\tsteps" + head)
			for _, t := range totals(r.Steps, by.key) {
				row("%s\t%d\t%s", t.name, t.steps, cost(t.time, t.flops))
			}
			row("")
		}
		row("step\talgorithm" + head)
		steps := slices.SortedStableFunc(slices.Values(r.Steps), func(a, b cpu.StepCost) int { return cmp.Compare(b.Time, a.Time) })
		for _, s := range steps[:min(longest, len(steps))] {
			row("%s\t%s\t%s", s.Name, cmp.Or(s.Algorithm, "-"), cost(s.Time, s.Flops))
		}
	})
}

// growth is the shapes whose cost shows how a work grows: in resolution with
// one picture, and in pictures at the resolution of the paper's models.
func growth() []Shape {
	return []Shape{{256, 1}, {384, 1}, {512, 1}, {768, 1}, {1024, 1}, {512, 2}, {512, 4}, {512, 8}}
}

// WriteGrowth prints time and memory over resolution and batch, as measure
// finds them. A shape that fails, for want of memory, gets a line that says so.
func WriteGrowth(ctx context.Context, w io.Writer, work string, measure func(Shape) (Result, error)) error {
	const format = "%-9s  %6s  %5s  %9s  %9s  %8s\n"
	fmt.Fprintf(w, format, "work", "pixels", "batch", "s", "s/picture", "peak MiB")
	for _, s := range growth() {
		r, err := measure(s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		seconds, each, peak := fmt.Sprintf("%.3f", r.Median.Seconds()), fmt.Sprintf("%.3f", r.Median.Seconds()/float64(s.Batch)), strings.TrimSuffix(r.peak(), "MiB")
		if err != nil {
			seconds, each, peak = "-", "-", err.Error()
		}
		fmt.Fprintf(w, format, work, fmt.Sprint(s.Pixels), fmt.Sprint(s.Batch), seconds, each, peak)
	}
	return nil
}
