package checkpoint

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"github.com/ldm-go/ldm/tensor"
)

// Load reads the wanted tensors, whose names in the file begin with prefix. Missing
// and misshapen ones are one error that lists them; a NaN or an infinity is an
// error that names the tensor.
func Load(f *File, prefix string, want map[string]tensor.Shape) (map[string]*tensor.Tensor, error) {
	if err := match(f, prefix, want); err != nil {
		return nil, err
	}
	out := make(map[string]*tensor.Tensor, len(want))
	for name := range want {
		t, err := f.Read(prefix + name)
		if err != nil {
			return nil, err
		}
		for i, v := range t.F32 {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return nil, fmt.Errorf("%s: %s: element %d is %g", f.name, prefix+name, i, v)
			}
		}
		out[name] = t
	}
	return out, nil
}

func match(f *File, prefix string, want map[string]tensor.Shape) error {
	var bad []string
	for name, shape := range want {
		info, ok := f.Info(prefix + name)
		switch {
		case !ok:
			bad = append(bad, "missing "+prefix+name)
		case !info.Shape.Equal(shape):
			bad = append(bad, fmt.Sprintf("%s is %v, want %v", prefix+name, info.Shape, shape))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	sort.Strings(bad)
	more := ""
	if n := len(bad) - 8; n > 0 {
		bad, more = bad[:8], fmt.Sprintf("; and %d more", n)
	}
	return fmt.Errorf("%s does not fit the configuration: %s%s", f.name, strings.Join(bad, "; "), more)
}
