// Package retrieve keeps databases of pictures as vectors in CLIP's space, and finds
// those that are nearest to one: what retrieval-augmented models are conditioned on
// (Blattmann et al., arXiv 2204.11824, section 3.2).
package retrieve

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// The names in a database's file.
const (
	nameVectors = "embedding"    // [N, D], as in the reference's databases
	metaNames   = "ldm_pictures" // JSON, of the pictures
	metaEncoder = "ldm_encoder"  // the file that the vectors were made by
	maxWidth    = 1 << 16        // numbers of a vector
	smallest    = math.SmallestNonzeroFloat32
)

// Database are pictures as vectors.
type Database struct {
	Names   []string       // of the pictures; none where the file has no names
	Encoder string         // the name of the encoder's file
	Vectors *tensor.Tensor // [N, D], as the encoder gave them

	norms  []float32 // of the vectors
	index  *index    // none: exact search alone
	method Method
}

// New is a database of vectors [N, D].
func New(vectors *tensor.Tensor, names []string, encoder string) (*Database, error) {
	d := &Database{Names: names, Encoder: encoder, Vectors: vectors}
	switch s := vectors.Shape; {
	case len(s) != 2 || s[0] < 1 || s[1] < 1 || s[1] > maxWidth || len(vectors.F32) != s.Size():
		return nil, fault.Filef("vectors of shape %v: want [pictures, numbers], at least one of each", s)
	case len(names) > 0 && len(names) != s[0]:
		return nil, fault.Filef("%d names for %d vectors", len(names), s[0])
	}
	d.norms = make([]float32, vectors.Shape[0])
	for i := range d.norms {
		sum := 0.0
		for _, v := range vectors.Row(i).F32 {
			sum += float64(v) * float64(v)
		}
		if d.norms[i] = float32(math.Sqrt(sum)); math.IsNaN(sum) || math.IsInf(sum, 0) {
			return nil, fault.Filef("vector %d is not finite", i)
		}
	}
	return d, nil
}

// About is what a database's file says, without its vectors.
type About struct {
	Pictures, Width int
	Named           bool   // the pictures have names
	Encoder         string // the name of the encoder's file
	Index           bool   // there is an index for approximate search
}

// Look reads what a file says.
func Look(path string) (About, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return About{}, err
	}
	defer f.Close()
	return look(f, path)
}

// look wants a database.
func look(f *checkpoint.File, path string) (a About, err error) {
	info, ok := f.Info(nameVectors)
	if !ok {
		return a, fault.Filef("%s is no database of pictures: it has no tensor %q; ldm retrieve index makes one", path, nameVectors)
	}
	if s := info.Shape; len(s) != 2 || s[0] < 1 || s[1] < 1 || s[1] > maxWidth {
		return a, fault.Filef("%s: %s has shape %v: want [pictures, numbers]", path, nameVectors, info.Shape)
	}
	_, index := f.Info(nameCentres)
	return About{info.Shape[0], info.Shape[1], f.Metadata()[metaNames] != "", f.Metadata()[metaEncoder], index}, nil
}

// Open reads a database: a file of Save, or any file with a tensor "embedding" [N, D].
func Open(path string) (*Database, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := look(f, path); err != nil {
		return nil, err
	}
	vectors, err := f.Read(nameVectors)
	if err != nil {
		return nil, err
	}
	var names []string
	if text := f.Metadata()[metaNames]; text != "" {
		if err := json.Unmarshal([]byte(text), &names); err != nil {
			return nil, fault.Filef("%s: %s: %w", path, metaNames, err)
		}
	}
	d, err := New(vectors.Float32(), names, f.Metadata()[metaEncoder])
	if err == nil {
		err = d.readIndex(f)
	}
	if err != nil {
		return nil, fault.Filef("%s: %w", path, err)
	}
	return d, nil
}

// Save writes the database as a safetensors file.
func (d *Database) Save(path string, t checkpoint.DType) error {
	meta := map[string]string{metaEncoder: d.Encoder}
	if len(d.Names) > 0 {
		text, err := json.Marshal(d.Names)
		if err != nil {
			return err
		}
		meta[metaNames] = string(text)
	}
	tensors := map[string]*tensor.Tensor{nameVectors: d.Vectors}
	if d.Indexed() {
		d.index.write(tensors)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return checkpoint.Save(path, tensors, meta, t)
}

// Len is the number of pictures.
func (d *Database) Len() int { return d.Vectors.Shape[0] }

// Width is the number of numbers of a vector.
func (d *Database) Width() int { return d.Vectors.Shape[1] }

// Name is what a picture is called.
func (d *Database) Name(i int) string {
	if i < len(d.Names) {
		return d.Names[i]
	}
	return ""
}
