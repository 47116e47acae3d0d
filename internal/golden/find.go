package golden

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
)

// Env names the folder of the whole set.
const Env = "LDM_GOLDEN"

// Used begins the line that a test logs for each case whose numbers it reads.
const Used = "reference case "

// Root is the folder of the repository.
func Root() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("the tests do not run inside the repository")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}

// folders are those that have reference numbers: the repository's own, and but
// for go test -short the whole set where it is present.
func folders(t testing.TB) []string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	all := []string{filepath.Join(root, "testdata", "golden")}
	if testing.Short() {
		return all
	}
	if whole, err := whole(root); err == nil {
		all = append(all, whole)
	}
	return all
}

func whole(root string) (string, error) {
	dir := os.Getenv(Env)
	if dir == "" {
		dir = filepath.Join(root, "..", "shared", "golden")
	}
	_, err := os.Stat(dir)
	return dir, err
}

// Folder is the folder of the whole set; the test is skipped where there is
// none. Prefer Cases and Files, which test something in every clone.
func Folder(t testing.TB) string {
	t.Helper()
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := whole(root)
	if err != nil {
		t.Skipf("no whole set of reference numbers: %v (set %s)", err, Env)
	}
	return dir
}

// Files lists the files of a pattern such as "bad/*.ckpt", those of the
// repository first. The test is skipped if there are none anywhere.
func Files(t testing.TB, pattern string) []string {
	t.Helper()
	paths := find(t, pattern)
	for _, path := range paths {
		t.Log(Used + name(path))
	}
	return paths
}

func find(t testing.TB, pattern string) []string {
	t.Helper()
	var paths []string
	for _, dir := range folders(t) {
		found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			known := slices.ContainsFunc(paths, func(p string) bool { return filepath.Base(p) == filepath.Base(path) })
			if !known {
				paths = append(paths, path)
			}
		}
	}
	if len(paths) == 0 {
		t.Skipf("no whole set of reference numbers: no %s (set %s)", pattern, Env)
	}
	return paths
}

// name is topic/file of a path.
func name(path string) string {
	return filepath.Base(filepath.Dir(path)) + "/" + filepath.Base(path)
}

// Cases lists the cases of a topic, such as "unets", or those of a pattern in
// it, such as "schedules/ddim*". A case that a test has no use for is better
// not asked for than skipped: a skipped case of the repository fails CI.
func Cases(t testing.TB, topic string) []*Case {
	t.Helper()
	if !strings.Contains(topic, "/") {
		topic += "/*"
	}
	var cases []*Case
	for _, path := range find(t, topic+".json") {
		if !strings.HasSuffix(path, ".state_dict.json") && filepath.Base(path) != "index.json" {
			cases = append(cases, open(t, path))
		}
	}
	return cases
}

func open(t testing.TB, path string) *Case {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := &Case{Raw: raw, dir: filepath.Dir(path)}
	if err := json.Unmarshal(raw, c); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if c.file, err = checkpoint.Open(strings.TrimSuffix(path, ".json") + ".safetensors"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.file.Close() })
	return c
}

// use says in the test's log that the case's numbers were read.
func (c *Case) use(t testing.TB) {
	t.Helper()
	c.seen.Do(func() { t.Log(Used + c.Name) })
}
