package train

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	_ "embed"

	"github.com/ldm-go/ldm/output"
)

// ReportFile is the page that shows a run.
const ReportFile = "report.html"

// report is the page of a run, written anew as the run goes on: curves, pictures
// over time, configuration, machine, speed. It is nil where none is wanted.
type report struct {
	run     Run
	config  string
	machine string
	total   int
	history []point
	written time.Time
}

// point is what was logged at a step.
type point struct {
	step   int
	values map[string]float64
}

// reportEvery bounds how often the page is written.
const reportEvery = 30 * time.Second

// openReport finds what earlier processes of the run have logged, up to the step
// that this one begins at.
func openReport(l *loop) *report {
	if !l.Report {
		return nil
	}
	r := &report{run: l.Run, config: l.config, total: l.cfg.Steps}
	r.machine = fmt.Sprintf("%s/%s, %d processors, %s; %s, batches of %d", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), l.cfg.Precision, l.cfg.BatchSize)
	f, err := os.Open(filepath.Join(l.Dir, MetricsFile))
	if err != nil {
		return r
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var values map[string]float64
		if json.Unmarshal(lines.Bytes(), &values) != nil {
			continue // cut off by a crash
		}
		if step := int(values["step"]); step <= l.step {
			delete(values, "step")
			r.put(step, values)
		}
	}
	return r
}

// put keeps what was logged; a step that is done again replaces what came after it.
func (r *report) put(step int, values map[string]float64) {
	for len(r.history) > 0 && r.history[len(r.history)-1].step > step {
		r.history = r.history[:len(r.history)-1]
	}
	r.history = append(r.history, point{step, values})
}

// add takes numbers into the page.
func (r *report) add(step int, list []scalar) {
	if r == nil {
		return
	}
	values := map[string]float64{}
	for _, s := range list {
		if !math.IsNaN(s.value) && !math.IsInf(s.value, 0) {
			values[s.name] = s.value
		}
	}
	r.put(step, values)
}

// write writes the page, if the last one is not new.
func (r *report) write(now bool) error {
	if r == nil || !now && time.Since(r.written) < reportEvery {
		return nil
	}
	r.written = time.Now()
	page := r.page()
	return output.Write(filepath.Join(r.run.Dir, ReportFile), func(w io.Writer) error { return reportTemplate.Execute(w, page) })
}

//go:embed report.html.tmpl
var reportText string

var reportTemplate = template.Must(template.New("report").Parse(reportText))

// page is what the template shows.
type page struct {
	Title, Written, Machine, Config, Speed string
	Step, Total                            int
	Curves                                 []curve
	Pictures                               []shot
}

// curve is a number over the steps, as the points of an SVG line of 100 x 40.
type curve struct {
	Name, Points, Low, High, Last string
	From, To                      int
}

// shot is what was drawn at a step.
type shot struct {
	Step string
	Data template.URL
}

func (r *report) page() page {
	p := page{Title: filepath.Base(r.run.Dir), Written: time.Now().Format(time.DateTime), Machine: r.machine, Config: r.config, Total: r.total}
	names := map[string]bool{}
	for _, at := range r.history {
		p.Step = max(p.Step, at.step)
		for name := range at.values {
			names[name] = true
		}
		if s, ok := at.values[speedName]; ok {
			p.Speed = fmt.Sprintf("%.3g s a step", s)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		p.Curves = append(p.Curves, r.curve(name))
	}
	p.Pictures = r.shots()
	return p
}

// curve draws at most 400 points, each the mean of what falls into it.
func (r *report) curve(name string) curve {
	const most = 400
	var steps, values []float64
	for _, at := range r.history {
		if v, ok := at.values[name]; ok {
			steps, values = append(steps, float64(at.step)), append(values, v)
		}
	}
	bundle := (len(values) + most - 1) / most
	low, high := slices.Min(values), slices.Max(values)
	first, last := steps[0], steps[len(steps)-1]
	var points strings.Builder
	for i := 0; i < len(values); i += bundle {
		end := min(i+bundle, len(values))
		mean := 0.0
		for _, v := range values[i:end] {
			mean += v / float64(end-i)
		}
		x, y := 0.0, 20.0
		if last > first {
			x = 100 * (steps[end-1] - first) / (last - first)
		}
		if high > low {
			y = 40 - 40*(mean-low)/(high-low)
		}
		fmt.Fprintf(&points, "%.2f,%.2f ", x, y)
	}
	number := func(v float64) string { return fmt.Sprintf("%.4g", v) }
	return curve{name, points.String(), number(low), number(high), number(values[len(values)-1]), int(first), int(last)}
}

// shots are up to 12 of the pictures of the run, the first and the last among them.
func (r *report) shots() []shot {
	const most = 12
	files, _ := filepath.Glob(filepath.Join(r.run.Dir, PictureFolder, "step-*.png"))
	slices.Sort(files)
	n := min(most, len(files))
	var list []shot
	for i := range n {
		file := files[len(files)-1]
		if n > 1 {
			file = files[i*(len(files)-1)/(n-1)]
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		step := strings.TrimLeft(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "step-"), ".png"), "0")
		list = append(list, shot{step, template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(raw))})
	}
	return list
}
