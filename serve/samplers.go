package serve

import (
	"strings"

	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/serve/core"
)

// checkSampler returns the names of a sampler and a schedule as they are written.
func checkSampler(name, schedule string) (string, string, error) {
	m, s, err := sampler.Parse(name)
	if err != nil {
		return "", "", err
	}
	if schedule != "" {
		if s, err = sampler.ParseSchedule(schedule); err != nil {
			return "", "", err
		}
	}
	return m.Or().Name, s.Name, nil
}

func samplerNames() []core.Named {
	var names []core.Named
	for _, m := range sampler.Methods() {
		names = append(names, core.Named{Name: m.Name, Aliases: m.Aliases})
	}
	return names
}

func scheduleNames() []core.Named {
	var names []core.Named
	for _, s := range sampler.Schedules() {
		n := core.Named{Name: strings.ToLower(strings.ReplaceAll(s.Name, " ", "_")), Label: s.Name, Aliases: s.Aliases}
		if s.Name == "Karras" {
			n.Rho = 7
		}
		names = append(names, n)
	}
	return names
}
