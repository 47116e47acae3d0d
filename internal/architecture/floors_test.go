package architecture

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/ldm-go/ldm"
	root   = "../.."
)

// place is where the table of ARCHITECTURE.md puts a package.
type place struct{ floor, line int }

// TestFloors: a package imports only from floors below its own, and on its own
// floor only from packages that the table of ARCHITECTURE.md names before it.
// Tests may import what they like. Commands that the table does not name stand
// above everything, and internal/golden, internal/nettest and internal/testsize serve tests alone.
func TestFloors(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	table, err := floors(string(text))
	if err != nil {
		t.Fatal(err)
	}
	packages, err := imports(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults(table, packages) {
		t.Error(fault)
	}
}

var (
	row    = regexp.MustCompile(`^\| *(\d+) *\|([^|]*)\|`)
	quoted = regexp.MustCompile("`[^`]+`")
)

// floors reads the table: "| 3 | `nn`, `unet` | what lives there |". The root
// is named "ldm" there.
func floors(text string) (map[string]place, error) {
	table := map[string]place{}
	for i, line := range strings.Split(text, "\n") {
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		floor, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, err
		}
		for n, name := range quoted.FindAllString(m[2], -1) {
			name = strings.Trim(name, "`")
			if name == path.Base(module) {
				name = "."
			}
			if _, twice := table[name]; twice {
				return nil, fmt.Errorf("ARCHITECTURE.md names package %s twice", name)
			}
			table[name] = place{floor, i*100 + n}
		}
	}
	if len(table) == 0 {
		return nil, fmt.Errorf("ARCHITECTURE.md has no table of floors")
	}
	return table, nil
}

// pkg is a package with what its files, but for tests, import from this module.
type pkg struct {
	command bool
	imports map[string]string // package to the file that imports it
}

func imports(root string) (map[string]*pkg, error) {
	packages := map[string]*pkg{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && p != root && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		name := path.Dir(rel)
		if packages[name] == nil {
			packages[name] = &pkg{imports: map[string]string{}}
		}
		if file.Name.Name == "main" {
			packages[name].command = true
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if imported == module {
				packages[name].imports["."] = rel
			} else if below, ok := strings.CutPrefix(imported, module+"/"); ok {
				packages[name].imports[below] = rel
			}
		}
		return nil
	})
	return packages, err
}

func faults(table map[string]place, packages map[string]*pkg) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		p := packages[name]
		at, named := table[name]
		if !named && !exempt(name, p) {
			list = append(list, fmt.Sprintf("package %s is not in the table of ARCHITECTURE.md: add it to floor %d or above, with a line on what lives there",
				name, lowest(table, p)))
			continue
		}
		for _, below := range slices.Sorted(maps.Keys(p.imports)) {
			file := p.imports[below]
			other, ok := table[below]
			switch {
			case testsOnly(below) && !testsOnly(name):
				list = append(list, fmt.Sprintf("%s imports %s, which is for tests alone", file, below))
			case !named || !ok: // a command may import all; a package that the table lacks is told of by itself
			case other.floor > at.floor:
				list = append(list, fmt.Sprintf("%s imports %s: %s is on floor %d and imports only from below, %s is on floor %d. "+
					"Move what both need down, or the importing code up; if the table in ARCHITECTURE.md is wrong, correct it there",
					file, below, name, at.floor, below, other.floor))
			case other.floor == at.floor && other.line > at.line:
				list = append(list, fmt.Sprintf("%s imports %s, which the table of ARCHITECTURE.md names behind %s on the same floor %d: name it before, "+
					"if it never imports %s itself", file, below, name, at.floor, name))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if packages[name] == nil {
			list = append(list, fmt.Sprintf("the table of ARCHITECTURE.md names %s, which is no package", name))
		}
	}
	return list
}

// exempt packages need no place: commands, and what serves tests or the
// repository alone.
func exempt(name string, p *pkg) bool {
	return p.command || testsOnly(name) || name == "internal/architecture"
}

// testsOnly packages may be imported by tests alone.
func testsOnly(name string) bool {
	return strings.HasPrefix(name, "internal/golden") || name == "internal/nettest" || name == "internal/testsize"
}

// lowest is the lowest floor that a package's imports leave for it.
func lowest(table map[string]place, p *pkg) int {
	floor := 0
	for below := range p.imports {
		floor = max(floor, table[below].floor)
	}
	return floor
}

// TestFaults: the check finds what it has to find.
func TestFaults(t *testing.T) {
	table, err := floors("| floor | package | what |\n|---|---|---|\n| 0 | `a` | low |\n| 1 | `b`, `b/c` | high |\n| 2 | `ldm` (root) | all |\n")
	if err != nil {
		t.Fatal(err)
	}
	of := func(imports ...string) *pkg {
		p := &pkg{imports: map[string]string{}}
		for _, i := range imports {
			p.imports[i] = "x.go"
		}
		return p
	}
	good := func() map[string]*pkg {
		return map[string]*pkg{"a": of(), "b": of("a"), "b/c": of("a", "b"), ".": of("a", "b/c"), "tool": {command: true, imports: map[string]string{".": "x.go"}}}
	}
	for _, test := range []struct {
		name, pkg string
		is        *pkg
		want      string
	}{
		{"all is well", "a", of(), ""},
		{"an import upwards", "a", of("b"), "is on floor 1"},
		{"an import from behind", "b", of("b/c"), "behind b on the same floor"},
		{"a package without a place", "d", of("b"), "add it to floor 1"},
		{"reference numbers", "b", of("internal/golden"), "for tests alone"},
	} {
		packages := good()
		packages[test.pkg] = test.is
		got := strings.Join(faults(table, packages), "\n")
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
