package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// meter shows how far a command is: a bar on a terminal, now and then a line
// elsewhere. It writes to standard error; results go through Print, so that the two
// do not mix.
type meter struct {
	what  string
	total float64
	unit  string
	out   io.Writer
	bar   *progressbar.ProgressBar // nil off a terminal
	begin time.Time
	next  time.Time // of a line
	done  float64
	from  float64 // what was done when the clock began
	said  bool    // how long it will take
}

const (
	meterScale  = 1000             // marks of the bar for each thing
	meterLines  = 30 * time.Second // from one line to the next
	meterOffset = 3 * time.Second  // before the first estimate
)

// newMeter shows what is done to total things of a unit ("pictures").
func newMeter(what string, total int, unit string) *meter {
	m := &meter{what: what, total: float64(total), unit: unit, out: os.Stderr, begin: time.Now()}
	m.next = m.begin.Add(meterOffset)
	if term.IsTerminal(int(os.Stderr.Fd())) {
		m.bar = progressbar.NewOptions(total*meterScale, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(what),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	return m
}

// Set says how many things are done, in fractions too.
func (m *meter) Set(done float64) {
	m.done = done
	now := time.Now()
	if m.bar != nil {
		m.bar.Describe(m.what + m.rate(now))
		m.bar.Set(min(int(done*meterScale), int(m.total)*meterScale-1))
	}
	if now.Before(m.next) || done <= m.from || done >= m.total {
		return
	}
	left := time.Duration(float64(now.Sub(m.begin)) * (m.total - done) / (done - m.from))
	if m.bar == nil || !m.said && left > time.Minute {
		m.line(fmt.Sprintf("%s: %.1f of %.0f %s%s, about %s left", m.what, done, m.total, m.unit, m.rate(now), rough(left)))
	}
	m.said = true
	m.next = now.Add(meterLines)
}

// rate is how many things are done in a second, behind a comma.
func (m *meter) rate(now time.Time) string {
	if seconds := now.Sub(m.begin).Seconds(); seconds > 0 && m.done > m.from {
		return fmt.Sprintf(", %.3g %s/s", (m.done-m.from)/seconds, m.unit)
	}
	return ""
}

// rough is a duration as a person says it.
func rough(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds())+1)
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes())+1)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// line writes a line for a person.
func (m *meter) line(text string) {
	m.clear()
	fmt.Fprintln(m.out, text)
}

// Print writes a line of a result.
func (m *meter) Print(w io.Writer, text string) error {
	m.clear()
	_, err := fmt.Fprintln(w, text)
	return err
}

func (m *meter) clear() {
	if m.bar != nil {
		m.bar.Clear()
	}
}

// Close takes the bar away.
func (m *meter) Close() {
	if m.bar != nil {
		m.bar.Finish()
	}
}

// within runs what does not look at ctx itself, and leaves it to its fate once
// ctx is cancelled.
func within[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// failures are things that went wrong without ending the command.
type failures struct {
	n     int
	first error
}

// add counts an error and says it.
func (f *failures) add(m *meter, err error) {
	if f.n++; f.first == nil {
		f.first = err
	}
	m.line("ldm: " + err.Error())
}

// err is the error at the end of a command over total things, nil if all went well.
func (f *failures) err(total int, unit string) error {
	if f.n == 0 {
		return nil
	}
	return &partly{fmt.Sprintf("%d of %d %s failed, the first one: %v", f.n, total, unit, f.first), f.first}
}

// partly is an error of some of many things; its kind is that of the first one.
type partly struct {
	text  string
	first error
}

func (p *partly) Error() string { return p.text }
func (p *partly) Unwrap() error { return p.first }
