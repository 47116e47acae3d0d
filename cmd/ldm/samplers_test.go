package main

import (
	"strings"
	"testing"

	"github.com/ldm-go/ldm/sampler"
)

// TestSamplers: every sampler and schedule has its line.
func TestSamplers(t *testing.T) {
	text := printed(t, "samplers")
	for _, m := range sampler.Methods() {
		if !strings.Contains(text, m.Name) || !strings.Contains(text, m.Doc) {
			t.Errorf("no %s in\n%s", m.Name, text)
		}
	}
	for _, c := range sampler.Schedules() {
		if !strings.Contains(text, c.Name) || !strings.Contains(text, c.Doc) {
			t.Errorf("no schedule %s in\n%s", c.Name, text)
		}
	}
}
