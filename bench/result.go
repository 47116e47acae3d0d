package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ldm-go/ldm/engine/cpu"
)

// Result is what was measured.
type Result struct {
	Work, Mode         string
	Threads            int
	Median, Min, First time.Duration
	Peak               int64 // bytes of the process at most resident so far; 0: not known
	Parameters         int
	Outside            float64 // share of a task's sampling that its networks take no part in

	Runs  int            // timed
	Steps []cpu.StepCost // of a profile, with the times of all Runs together
}

// String is the line that the peers print too.
func (r Result) String() string {
	return fmt.Sprintf("%s %s threads=%d median=%s min=%s first=%.1fs peak=%s params=%.1fM",
		r.Work, r.Mode, r.Threads, seconds(r.Median), seconds(r.Min), r.First.Seconds(), r.peak(), float64(r.Parameters)/1e6)
}

// seconds has three digits behind the point, and more of the short times of cards.
func seconds(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.5fs", d.Seconds())
	}
	return fmt.Sprintf("%.3fs", d.Seconds())
}

func (r Result) peak() string {
	if r.Peak == 0 {
		return "n/a"
	}
	return fmt.Sprintf("%dMiB", r.Peak>>20)
}

// Parse reads a line that String wrote.
func Parse(line string) (r Result, err error) {
	bad := func() (Result, error) { return Result{}, fmt.Errorf("%q is not a result", line) }
	line = strings.TrimSpace(line)
	fields := strings.Fields(line)
	if len(fields) != 8 {
		return bad()
	}
	r.Work, r.Mode = fields[0], fields[1]
	var median, least, first, params float64
	for i, read := range []struct {
		format string
		value  any
	}{
		{"threads=%d", &r.Threads}, {"median=%fs", &median}, {"min=%fs", &least},
		{"first=%fs", &first}, {"peak=%dMiB", &r.Peak}, {"params=%fM", &params},
	} {
		if _, err := fmt.Sscanf(fields[i+2], read.format, read.value); err != nil && fields[i+2] != "peak=n/a" {
			return bad()
		}
	}
	duration := func(s float64) time.Duration { return time.Duration(s*1e6+.5) * time.Microsecond }
	r.Median, r.Min, r.First = duration(median), duration(least), duration(first)
	r.Peak <<= 20
	r.Parameters = int(params*1e6 + .5)
	return r, nil
}

// Median is the middle of the times, or the mean of the two in the middle.
func Median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(times))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// least is the shortest of the times.
func least(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return slices.Min(times)
}
