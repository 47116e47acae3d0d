package architecture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const (
	mostParameters = 6
	mostFields     = 19
)

// TestParameters: no function of the processor's engine has more than six parameters, and
// no struct twenty fields, but for the entry points of assembly, their references in plain
// Go, and the blocks of arguments that they take.
func TestParameters(t *testing.T) {
	found := map[string]int{}
	err := filepath.WalkDir(filepath.Join(root, "engine", "cpu"), func(path string, _ fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for name, n := range longIn(file) {
			key := fmt.Sprintf("%s: %s", filepath.ToSlash(filepath.Dir(rel)), name)
			found[key] = max(found[key], n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, n := range found {
		t.Errorf("%s has %d parameters or fields; at most %d or %d, so that a call can be read: join those that belong together", key, n, mostParameters, mostFields)
	}
}

// longIn lists the functions and structs of a file that are too long.
func longIn(file *ast.File) map[string]int {
	all := map[string]int{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			entry := d.Body == nil || strings.HasPrefix(d.Name.Name, "portable")
			if n := d.Type.Params.NumFields(); n > mostParameters && !entry {
				all[d.Name.Name] = max(all[d.Name.Name], n)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if spec, ok := s.(*ast.TypeSpec); ok && !strings.HasSuffix(spec.Name.Name, "Args") {
					if st, ok := spec.Type.(*ast.StructType); ok && st.Fields.NumFields() > mostFields {
						all[spec.Name.Name] = st.Fields.NumFields()
					}
				}
			}
		}
	}
	return all
}
