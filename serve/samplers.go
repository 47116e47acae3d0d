package serve

import (
	"strings"

	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/serve/core"
	"github.com/ldm-go/ldm/serve/intake"
)

// checkSampler finds a sampler and a schedule by the names that people write.
func checkSampler(name, schedule string) (intake.Sampling, error) {
	m, s, err := sampler.Parse(name)
	if err == nil && schedule != "" {
		s, err = sampler.ParseSchedule(schedule)
	}
	m = m.Or()
	return intake.Sampling{Sampler: m.Name, Schedule: s.Name, UsesEta: m.UsesEta}, err
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
