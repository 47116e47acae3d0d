package serve_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestClients runs the packages that people use against a server, each with its
// own script. A package that is not installed is skipped by its name.
func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("runs programs in other languages")
	}
	t.Parallel()
	for _, c := range []struct{ name, program, probe, script string }{
		{"openai for Python", "python3", "import openai", "openai_client.py"},
		{"webuiapi", "python3", "import webuiapi", "webuiapi_client.py"},
		{"openai for Node", "node", "require.resolve('openai')", "openai_client.cjs"},
		{"openai for Go", os.Getenv("LDM_OPENAI_GO"), "", ""}, // built from testdata/clients/go
		{"a1111-webui-api", "node", "require.resolve('a1111-webui-api')", "a1111_client.cjs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if !installed(c.program, c.probe) {
				t.Skipf("%s is not installed", c.name)
			}
			r := start(t, config(t))
			u, err := url.Parse(r.url)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(c.program)
			if c.script != "" {
				cmd.Args = append(cmd.Args, filepath.Join("testdata", "clients", c.script))
			}
			cmd.Env = append(os.Environ(), "BASE_URL="+r.url, "PORT="+u.Port())
			out, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != "ok" {
				t.Errorf("%s: %v\n%s", c.script, err, out)
			}
		})
	}
}

// installed tells whether a program runs, and finds the package of a probe.
func installed(program, probe string) bool {
	switch {
	case program == "":
		return false
	case probe == "":
		return true
	case program == "node":
		return exec.Command(program, "-e", probe).Run() == nil
	}
	return exec.Command(program, "-c", probe).Run() == nil
}
