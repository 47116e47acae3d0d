package train

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/internal/golden"
)

// TestGoldenRates holds the schedulers of the learning rate against the reference's.
func TestGoldenRates(t *testing.T) {
	for _, c := range golden.Cases(t, "schedules/lr_*") {
		var m struct {
			N          []int `json:"n"`
			Schedulers map[string]struct {
				Class  string         `json:"class"`
				Params map[string]any `json:"params"`
			} `json:"schedulers"`
		}
		if err := json.Unmarshal(c.Raw, &m); err != nil {
			t.Fatal(err)
		}
		for name, s := range m.Schedulers {
			rate, err := newScheduler(config.Target{Target: "ldm.lr_scheduler." + s.Class, Params: s.Params})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			for i, want := range c.Floats64(t, name) {
				if got := rate(m.N[i]); math.Abs(got-want) > 1e-12*max(math.Abs(want), 1e-6) {
					t.Errorf("%s at step %d: %.15g, want %.15g", name, m.N[i], got, want)
				}
			}
		}
	}
}
