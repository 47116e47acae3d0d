// Command excerpt writes testdata/golden, the part of the reference's numbers
// that every clone has, from the whole set:
//
//	go run ./internal/golden/excerpt WHOLE testdata/golden
//
// The cases are those of cases.txt in the second folder, one pattern a line.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ldm-go/ldm/checkpoint/torch"
	"github.com/ldm-go/ldm/internal/golden"
)

// large is the size from which a checkpoint is stored as its recipe.
const large = 1 << 20

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: excerpt WHOLE testdata/golden")
		os.Exit(2)
	}
	if err := excerpt(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "excerpt:", err)
		os.Exit(1)
	}
}

func excerpt(whole, out string) error {
	list, err := os.ReadFile(filepath.Join(out, "cases.txt"))
	if err != nil {
		return err
	}
	total := 0
	for _, pattern := range strings.Fields(string(list)) {
		paths, err := filepath.Glob(filepath.Join(whole, filepath.FromSlash(pattern)))
		if err != nil {
			return err
		}
		if len(paths) == 0 {
			return fmt.Errorf("there is no %s", pattern)
		}
		for _, path := range paths {
			n, err := add(path, filepath.Join(out, filepath.Base(filepath.Dir(path))))
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			total += n
		}
	}
	fmt.Printf("%d bytes\n", total)
	return nil
}

func add(path, dir string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	name := filepath.Base(path)
	if len(data) >= large {
		if data, err = recipe(path, data); err != nil {
			return 0, err
		}
		name += golden.RecipeSuffix
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	return len(data), os.WriteFile(filepath.Join(dir, name), data, 0o644)
}

// recipe leaves the procedural weights out of a checkpoint.
func recipe(path string, data []byte) ([]byte, error) {
	manifest, err := os.ReadFile(strings.TrimSuffix(path, filepath.Ext(path)) + ".json")
	if err != nil {
		return nil, err
	}
	var c struct {
		Salt string `json:"salt"`
	}
	if err := json.Unmarshal(manifest, &c); err != nil {
		return nil, err
	}
	r := golden.Recipe{}
	if r.Salt, err = strconv.ParseUint(c.Salt, 0, 64); err != nil {
		return nil, err
	}
	tensors, _, err := torch.Index(filepath.Base(path), bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(tensors, func(a, b torch.Tensor) int { return int(a.Offset - b.Offset) })
	var literal []byte
	at := 0
	for _, x := range tensors {
		p := golden.Piece{Weight: x.Name, Shape: x.Shape, Half: x.DType == "F16"}
		weight := p.Bytes(r.Salt)
		if int(x.Offset) < at || !bytes.HasPrefix(data[x.Offset:], weight) {
			continue
		}
		r.Pieces = append(r.Pieces, golden.Piece{Literal: int(x.Offset) - at}, p)
		literal = append(literal, data[at:x.Offset]...)
		at = int(x.Offset) + len(weight)
	}
	r.Pieces = append(r.Pieces, golden.Piece{Literal: len(data) - at})
	var stored, again bytes.Buffer
	if err := r.Write(&stored, append(literal, data[at:]...)); err != nil {
		return nil, err
	}
	if err := golden.Cook(bytes.NewReader(stored.Bytes()), &again); err != nil {
		return nil, err
	}
	if !bytes.Equal(again.Bytes(), data) {
		return nil, fmt.Errorf("the recipe does not give the file again")
	}
	return stored.Bytes(), nil
}
