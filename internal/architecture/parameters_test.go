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

// kernelPackages have the entry points of assembly, and what calls them as they are.
var kernelPackages = []string{"engine/cpu/vec/", "engine/cpu/gemm/kernels/"}

// long are the functions and structs of the engine that are longer yet. The list may only
// become shorter: a line whose function no longer is too long has to go.
var long = map[string]int{
	"engine/cpu/gemm/plans: Order":           7,
	"engine/cpu/gemm/small: join":            8,
	"engine/cpu/gemm/small: Attend":          7,
	"engine/cpu/gemm/small: Mul":             8,
	"engine/cpu/gemm/small: MulGrid":         7,
	"engine/cpu/gemm/small: Softmax":         7,
	"engine/cpu/gemm/small: SoftmaxGrads":    10,
	"engine/cpu/gemm/small: MulT":            10,
	"engine/cpu/gemm/small: round":           9,
	"engine/cpu/gemm/small: roundPairs":      9,
	"engine/cpu/gemm/small: mulTiles":        8,
	"engine/cpu/gemm/winorows: sum":          7,
	"engine/cpu/gemm/winorows: line":         9,
	"engine/cpu/gemm/winorows: winogradRows": 20,
	"engine/cpu/gemm/winorows: pass":         7,
	"engine/cpu/layer: packScaled":           9,
	"engine/cpu/layer: Backward":             11,
	"engine/cpu/layer: add":                  7,
	"engine/cpu/layer: block":                8,
	"engine/cpu/layer: Forward":              8,
	"engine/cpu/layer: attend":               7,
	"engine/cpu/layer: piece":                7,
}

// TestParameters: no function of the engine has more than six parameters, and no struct
// twenty fields, but for the entry points of kernels and their blocks of arguments.
func TestParameters(t *testing.T) {
	found := map[string]int{}
	err := filepath.WalkDir(filepath.Join(root, "engine", "cpu"), func(path string, _ fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		rel = filepath.ToSlash(rel)
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || inKernels(rel) {
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
		if n > long[key] {
			t.Errorf("%s has %d parameters or fields; at most %d or %d, so that a call can be read: join those that belong together", key, n, mostParameters, mostFields)
		}
	}
	for key, n := range long {
		if found[key] < n {
			t.Errorf("%s has %d, not %d: shorten the list", key, found[key], n)
		}
	}
}

func inKernels(path string) bool {
	for _, p := range kernelPackages {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// longIn lists the functions and structs of a file that are too long.
func longIn(file *ast.File) map[string]int {
	all := map[string]int{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if n := d.Type.Params.NumFields(); n > mostParameters {
				all[d.Name.Name] = max(all[d.Name.Name], n)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if spec, ok := s.(*ast.TypeSpec); ok {
					if st, ok := spec.Type.(*ast.StructType); ok && st.Fields.NumFields() > mostFields {
						all[spec.Name.Name] = st.Fields.NumFields()
					}
				}
			}
		}
	}
	return all
}
