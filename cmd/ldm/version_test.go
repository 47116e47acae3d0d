package main

import (
	"bytes"
	"runtime/debug"
	"strings"
	"testing"
)

// TestVersion: what the build knows is printed, and nothing made up for what it
// does not.
func TestVersion(t *testing.T) {
	if text := printed(t, "version"); !strings.HasPrefix(text, "ldm ") || !strings.Contains(text, "instructions ") {
		t.Errorf("ldm version prints\n%s", text)
	}
	cmd := root()
	cmd.SetOut(full{})
	cmd.SetArgs([]string{"version"})
	if err := cmd.Execute(); err == nil {
		t.Error("no error on a full disk")
	}
	var out bytes.Buffer
	printVersion(&out, &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"}}})
	for _, want := range []string{"ldm            v1.2.3\n", "commit         abc, with changes\n", "2026-01-02T03:04:05Z\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	out.Reset()
	printVersion(&out, &debug.BuildInfo{})
	if !strings.Contains(out.String(), "ldm            (devel)\n") || strings.Contains(out.String(), "commit") {
		t.Errorf("a build without information prints\n%s", out.String())
	}
}
