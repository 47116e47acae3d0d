// Command proven reads the output of go test -json and fails if a test failed,
// or if a case of testdata/golden was not tested:
//
//	go test -json ./... | go run ./internal/golden/proven
//
// A case is tested if a test that passed has read its numbers. No test that has
// a case's name may be skipped.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/internal/golden"
)

func main() {
	root, err := golden.Root()
	if err == nil {
		var cases []string
		if cases, err = stored(filepath.Join(root, "testdata", "golden")); err == nil {
			err = check(os.Stdin, os.Stdout, cases)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "proven:", err)
		os.Exit(1)
	}
}

// stored lists the cases of a folder, as topic/case or topic/file.
func stored(dir string) ([]string, error) {
	var cases []string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		topic, name := filepath.Base(filepath.Dir(p)), filepath.Base(p)
		switch {
		case err != nil || d.IsDir() || filepath.Dir(p) == dir:
		case topic == "bad" && name != "index.json":
			cases = append(cases, topic+"/"+name)
		case topic != "bad" && strings.HasSuffix(name, ".json") && !strings.HasSuffix(name, ".state_dict.json"):
			cases = append(cases, topic+"/"+strings.TrimSuffix(name, ".json"))
		}
		return err
	})
	return cases, err
}

// event is a line of go test -json.
type event struct{ Action, Package, Test, Output string }

// check prints what the packages print and what failed, and returns an error
// if a test failed or a case was not tested.
func check(in io.Reader, out io.Writer, cases []string) error {
	names := map[string]bool{}
	for _, c := range cases {
		names[path.Base(c)] = true
	}
	var failed, skipped []string
	used, tested := map[string][]string{}, map[string]bool{} // used: by test
	output := map[string]string{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		test := e.Package + " " + e.Test
		switch e.Action {
		case "output":
			output[test] += e.Output
			if _, c, ok := strings.Cut(e.Output, golden.Used); ok {
				used[test] = append(used[test], strings.TrimSpace(c))
			}
		case "pass":
			for _, c := range used[test] {
				tested[c] = true
			}
		case "skip":
			if names[path.Base(e.Test)] {
				skipped = append(skipped, test)
			}
		case "fail", "build-fail":
			failed = append(failed, test)
			fmt.Fprint(out, output[test])
		}
		if e.Test == "" && e.Action == "output" && !strings.HasPrefix(e.Output, "PASS") {
			fmt.Fprint(out, e.Output)
		}
	}
	var untested []string
	for _, c := range cases {
		if !tested[c] {
			untested = append(untested, c)
		}
	}
	for title, list := range map[string][]string{"failed": failed, "skipped, though its case is in testdata": skipped, "in testdata, but tested by no test that passed": untested} {
		for _, s := range list {
			fmt.Fprintf(out, "%s: %s\n", title, s)
		}
	}
	if n := len(failed) + len(skipped) + len(untested); n > 0 {
		return fmt.Errorf("%d faults", n)
	}
	fmt.Fprintf(out, "all %d cases of testdata/golden were tested, by %d tests\n", len(cases), len(slices.Collect(maps.Keys(used))))
	return lines.Err()
}
