package train

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/config"
)

// TestEveryKeyIsRead: every field of the configurations is read somewhere in this
// package, so that none is accepted and forgotten. That values have their effects is
// shown where the effects are tested.
func TestEveryKeyIsRead(t *testing.T) {
	read := selectors(t)
	seen := map[reflect.Type]bool{}
	var walk func(kind reflect.Type)
	walk = func(kind reflect.Type) {
		for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
			kind = kind.Elem()
		}
		if kind.Kind() != reflect.Struct || seen[kind] || kind == reflect.TypeFor[config.Target]() || !strings.HasSuffix(kind.PkgPath(), "/train") {
			return
		}
		seen[kind] = true
		for i := range kind.NumField() {
			f := kind.Field(i)
			if f.Tag.Get("yaml") != "" && !f.Anonymous && !read[f.Name] {
				t.Errorf("%s.%s (%s) is never read", kind, f.Name, f.Tag.Get("yaml"))
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[AutoencoderConfig]())
	walk(reflect.TypeFor[DiffusionConfig]())
	if len(seen) < 5 {
		t.Errorf("%d types were looked at", len(seen))
	}
}

// selectors are the names behind a dot in this package's code, but for those that are
// assigned to.
func selectors(t *testing.T) map[string]bool {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	read, written := map[string]bool{}, map[ast.Expr]bool{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					written[left] = true
				}
			case *ast.SelectorExpr:
				if !written[n] {
					read[n.Sel.Name] = true
				}
			}
			return true
		})
	}
	return read
}
