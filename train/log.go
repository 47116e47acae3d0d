package train

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ldm-go/ldm/events"
)

// log writes readable lines and TensorBoard events.
type log struct {
	line    func(string)
	file    *os.File
	events  *events.Writer
	sums    map[string]float64
	order   []string
	count   int
	since   time.Time
	resumed int
	total   int
	busy    time.Duration // time spent in steps since begin
}

func openLog(dir string, line func(string)) (*log, error) {
	file, err := os.OpenFile(filepath.Join(dir, LogFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, err
	}
	w, err := events.Create(dir)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &log{line: line, file: file, events: w, sums: map[string]float64{}}, nil
}

func (o *log) close() {
	o.file.Close()
	o.events.Close()
}

func (o *log) begin(step, total int) { o.resumed, o.total, o.since = step, total, time.Now() }

func (o *log) add(name string, v float64) {
	if _, ok := o.sums[name]; !ok {
		o.order = append(o.order, name)
	}
	o.sums[name] += v
	if name == o.order[0] {
		o.count++
	}
}

// flush logs the means since the last flush, the speed, and the time left.
func (o *log) flush(step int, rate float64) error {
	took := time.Since(o.since)
	o.busy += took
	perStep := took / time.Duration(max(o.count, 1))
	mean := o.busy / time.Duration(max(step-o.resumed, 1))
	parts := []string{fmt.Sprintf("step %d/%d", step, o.total)}
	for _, name := range o.order {
		v := o.sums[name] / float64(o.count)
		parts = append(parts, fmt.Sprintf("%s %.4g", name, v))
		if err := o.events.Scalar(step, "train/"+name, v); err != nil {
			return err
		}
		o.sums[name] = 0
	}
	parts = append(parts, fmt.Sprintf("rate %.3g", rate), fmt.Sprintf("%.3g s/step", perStep.Seconds()),
		fmt.Sprintf("%s left", (mean*time.Duration(o.total-step)).Round(time.Second)))
	if err := o.events.Scalar(step, "train/rate", rate); err != nil {
		return err
	}
	o.count = 0
	o.since = time.Now()
	return o.write(parts)
}

func (o *log) validation(step int, scalars []scalar) error {
	if len(scalars) == 0 {
		return nil
	}
	parts := []string{fmt.Sprintf("step %d/%d validation", step, o.total)}
	for _, s := range scalars {
		parts = append(parts, fmt.Sprintf("%s %.4g", s.name, s.value))
		if err := o.events.Scalar(step, "validation/"+s.name, s.value); err != nil {
			return err
		}
	}
	o.since = time.Now()
	return o.write(parts)
}

func (o *log) write(parts []string) error {
	s := strings.Join(parts, "  ")
	o.line(s)
	_, err := fmt.Fprintf(o.file, "%s  %s\n", time.Now().Format(time.DateTime), s)
	return err
}
