package train

import (
	"encoding/json"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ldm-go/ldm/events"
)

// log writes readable lines, TensorBoard events and metrics.jsonl. What cannot
// be written is said once and does not end the run: the weights are worth more.
type log struct {
	run     Run
	file    *os.File
	metrics *os.File
	events  *events.Writer
	failed  bool

	sums   map[string]float64
	counts map[string]int
	order  []string
	since  time.Time
	steps  int           // since the last flush
	begun  int           // the step that this process began at
	total  int           // steps of the run
	busy   time.Duration // time spent in steps since begin
	report *report
}

// speedName is the logged time of a step.
const speedName = "speed/seconds_per_step"

// MetricsFile holds one JSON object a line: step, and named numbers.
const MetricsFile = "metrics.jsonl"

// newLog is a log without files.
func newLog(r Run) *log { return &log{run: r, sums: map[string]float64{}, counts: map[string]int{}} }

func openLog(r Run) (*log, error) {
	o := newLog(r)
	open := func(name string) (f *os.File) {
		f, err := os.OpenFile(filepath.Join(r.Dir, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		o.check(err)
		return f
	}
	o.file, o.metrics = open(LogFile), open(MetricsFile)
	var err error
	o.events, err = events.Create(r.Dir)
	o.check(err)
	return o, nil
}

// check notes the first failure to write.
func (o *log) check(err error) {
	if err != nil && !o.failed {
		o.failed = true
		o.run.line("the log cannot be written, training goes on: %v", err)
	}
}

func (o *log) close() {
	for _, f := range []*os.File{o.file, o.metrics} {
		if f != nil {
			f.Close()
		}
	}
	if o.events != nil {
		o.events.Close()
	}
}

// begin says where this process starts.
func (o *log) begin(step, total int) { o.begun, o.total, o.since = step, total, time.Now() }

// add takes part in the means of the next flush.
func (o *log) add(name string, v float64) {
	if _, ok := o.sums[name]; !ok {
		o.order = append(o.order, name)
	}
	o.sums[name] += v
	o.counts[name]++
}

// stepped counts a step.
func (o *log) stepped() { o.steps++ }

// mean is the mean of a number since the last flush; NaN if there is none.
func (o *log) mean(name string) float64 { return o.sums[name] / float64(o.counts[name]) }

// flush logs the means since the last flush, the speed, and the time left.
func (o *log) flush(step int, rate float64) {
	took := time.Since(o.since)
	o.busy += took
	perStep := took / time.Duration(max(o.steps, 1))
	mean := o.busy / time.Duration(max(step-o.begun, 1))
	parts := []string{fmt.Sprintf("step %d/%d", step, o.total)}
	var logged []scalar
	for _, name := range o.order {
		if o.counts[name] == 0 {
			continue
		}
		v := o.mean(name)
		parts = append(parts, fmt.Sprintf("%s %.4g", name, v))
		logged = append(logged, scalar{"train/" + name, v})
		o.sums[name], o.counts[name] = 0, 0
	}
	parts = append(parts, fmt.Sprintf("rate %.3g", rate), fmt.Sprintf("%.3g s/step", perStep.Seconds()),
		fmt.Sprintf("%s left", (mean*time.Duration(o.total-step)).Round(time.Second)))
	logged = append(logged, scalar{"train/rate", rate}, scalar{speedName, perStep.Seconds()})
	o.scalars(step, logged)
	o.steps = 0
	o.since = time.Now()
	o.write(parts)
	o.check(o.report.write(step == o.total))
}

// validation logs what was measured on held-out data.
func (o *log) validation(step int, scalars []scalar) {
	if len(scalars) > 0 {
		parts := []string{fmt.Sprintf("step %d/%d validation", step, o.total)}
		var logged []scalar
		for _, s := range scalars {
			parts = append(parts, fmt.Sprintf("%s %.4g", s.name, s.value))
			logged = append(logged, scalar{"validation/" + s.name, s.value})
		}
		o.scalars(step, logged)
		o.write(parts)
	}
	o.since = time.Now()
}

// scalars writes numbers to the files.
func (o *log) scalars(step int, list []scalar) {
	line := map[string]any{"step": step}
	for _, s := range list {
		if o.events != nil {
			o.check(o.events.Scalar(step, s.name, s.value))
		}
		if !math.IsNaN(s.value) && !math.IsInf(s.value, 0) {
			line[s.name] = s.value
		}
	}
	if raw, err := json.Marshal(line); err == nil && o.metrics != nil {
		_, err := o.metrics.Write(append(raw, '\n'))
		o.check(err)
	}
	o.report.add(step, list)
}

// picture logs the pictures that a step drew.
func (o *log) picture(step int, img image.Image) {
	if o.events != nil {
		o.check(o.events.Image(step, "pictures", img))
	}
	o.check(o.report.write(true))
	o.since = time.Now()
}

// warn says that something known is going wrong.
func (o *log) warn(step int, format string, args ...any) {
	o.write([]string{fmt.Sprintf("step %d/%d warning", step, o.total), fmt.Sprintf(format, args...)})
}

func (o *log) write(parts []string) {
	s := strings.Join(parts, "  ")
	o.run.line("%s", s)
	if o.file != nil {
		_, err := fmt.Fprintf(o.file, "%s  %s\n", time.Now().Format(time.DateTime), s)
		o.check(err)
	}
}
