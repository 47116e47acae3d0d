package lora

import (
	"context"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Use is a file of changes and how strongly it is used: 1 as it was trained, 0 not
// at all, below 0 to the contrary.
type Use struct {
	Path       string
	UNet, Text float64 // of the denoiser and of the text encoder
	FS         fs.FS   // that the file is in; nil: the system's
}

// At uses a file with one strength for all.
func At(path string, strength float64) Use { return Use{Path: path, UNet: strength, Text: strength} }

// Open opens the file.
func (u Use) Open() (*Adapter, error) {
	if u.FS == nil {
		return Open(u.Path)
	}
	return OpenFS(u.FS, u.Path)
}

// Strong is a fitted adapter with its strengths.
type Strong struct {
	*Fitted
	UNet, Text float64
}

// strength is that of a parameter.
func (s Strong) strength(name string) float32 {
	if strings.HasPrefix(name, prefixText) {
		return float32(s.Text)
	}
	return float32(s.UNet)
}

// Changed lists the parameters that adapters change, sorted.
func Changed(adapters []Strong) []string {
	names := map[string]bool{}
	for _, a := range adapters {
		for name := range a.changes {
			if a.strength(name) != 0 {
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// Merge adds the changes of all adapters to the values of a model without any, of
// which base has those that Changed lists:
//
//	W' = W + Σ s·change
//
// where DoRA's change is the difference to the whole of its new W. The values of
// base stay. Results have the format hold.
func Merge(ctx context.Context, base engine.Vars, adapters []Strong, hold tensor.Format) (engine.Vars, error) {
	names := Changed(adapters)
	values := make([]*tensor.Tensor, len(names))
	var next sync.Mutex
	var failed error
	at := 0
	take := func(err error) (int, bool) {
		next.Lock()
		defer next.Unlock()
		if failed == nil {
			failed = err
		}
		if failed != nil || at == len(names) {
			return 0, false
		}
		at++
		return at - 1, true
	}
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i, more := take(nil); more; i, more = take(nil) {
				err := ctx.Err()
				if err == nil {
					values[i], err = merged(names[i], base[names[i]], adapters, hold)
				}
				if err != nil {
					take(err)
				}
			}
		})
	}
	workers.Wait()
	if failed != nil {
		return nil, failed
	}
	out := engine.Vars{}
	for i, name := range names {
		out[name] = values[i]
	}
	return out, nil
}

// merged is the new value of one parameter.
func merged(name string, base *tensor.Tensor, adapters []Strong, hold tensor.Format) (*tensor.Tensor, error) {
	w := tensor.New(base.Shape...)
	before := base.Float32().F32
	copy(w.F32, before)
	for _, s := range adapters {
		strength := s.strength(name)
		for _, c := range s.changes[name] {
			if strength == 0 {
				continue
			}
			change, err := s.Adapter.change(c, name, c.rows(before), c.shape(base.Shape))
			if err != nil {
				return nil, err
			}
			addScaled(c.rows(w.F32), strength, change)
		}
	}
	for i, v := range w.F32 {
		if v-v != 0 {
			return nil, fault.Inputf("%s: element %d is %g with the adapters: want smaller strengths", name, i, v)
		}
	}
	if hold == tensor.F32 {
		return w, nil
	}
	half := make([]uint16, len(w.F32))
	hold.Narrow(half, w.F32)
	return tensor.OfHalf(half, hold, base.Shape...), nil
}

// change is the change of its part of one parameter at strength 1.
func (a *Adapter) change(c change, name string, before []float32, shape tensor.Shape) ([]float32, error) {
	m := c.module
	if name == c.bias {
		return a.biasChange(m)
	}
	x, err := a.weightChange(m, shape)
	if err != nil || !m.has(dora) {
		return x, err
	}
	addScaled(x, 1, before)
	if err := a.decompose(m, x, shape); err != nil {
		return nil, err
	}
	addScaled(x, -1, before)
	return x, nil
}
