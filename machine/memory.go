// Package machine tells what the machine has.
package machine

import (
	"strconv"
	"strings"
	"sync"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/dustin/go-humanize"

	"github.com/ldm-go/ldm/fault"
)

// Memory is how many bytes of memory the process may use: those of the machine, or
// the limit of its cgroup (a container's) where that is less; 0 if unknown. It is read
// once: every program that is compiled asks for it.
func Memory() int64 { return memory() }

var memory = sync.OnceValue(func() int64 {
	total, err := memlimit.FromSystem()
	if err != nil {
		total = 0
	}
	if limit, err := memlimit.FromCgroup(); err == nil && limit > 0 && (total == 0 || limit < total) {
		total = limit
	}
	return int64(min(total, 1<<62))
})

// MaxMemory is a limit on memory in bytes, as a flag has it: "3GiB", "2500MB", or a
// share of Memory, "75%". Zero is the default, three quarters of it.
type MaxMemory int64

const defaultShare = 0.75

// Bytes is the limit.
func (m MaxMemory) Bytes() int64 {
	switch total := Memory(); {
	case m > 0:
		return int64(m)
	case total == 0:
		return 1 << 62
	default:
		return int64(defaultShare * float64(total))
	}
}

// smallest is the least limit: the program itself takes as much.
const smallest = 64 << 20

// UnmarshalText reads a limit.
func (m *MaxMemory) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	var bytes float64
	if share, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := strconv.ParseFloat(share, 64)
		if err != nil || !(percent > 0) || percent > 100 {
			return fault.Inputf("memory %q: want a share of more than 0%% and at most 100%%", text)
		}
		bytes = percent / 100 * float64(Memory())
	} else {
		n, err := humanize.ParseBytes(text)
		if err != nil || n > 1<<62 {
			return fault.Inputf("memory %q: want a size such as 3GiB or 2500MB, or a share of what there is such as 75%%", text)
		}
		bytes = float64(n)
	}
	if bytes < smallest {
		return fault.Inputf("memory %q: want at least %s", text, humanize.IBytes(smallest))
	}
	*m = MaxMemory(bytes)
	return nil
}

// MarshalText writes a limit.
func (m MaxMemory) MarshalText() ([]byte, error) {
	if m == 0 {
		return []byte(strconv.Itoa(defaultShare*100) + "%"), nil
	}
	return []byte(humanize.IBytes(uint64(m))), nil
}
