package golden

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/ldm-go/ldm/tensor"
)

// RecipeSuffix ends the name of a file that is stored without its procedural
// weights.
const RecipeSuffix = ".recipe"

// Recipe is a file in pieces. Checkpoints of megabytes consist of weights that
// are functions of their names, so that a few kilobytes of the rest are enough
// to write them again, byte for byte. A recipe is stored as its JSON, a newline
// and the literal bytes one after the other, in gzip.
type Recipe struct {
	Salt   uint64  `json:"salt"`
	Pieces []Piece `json:"pieces"`
}

// Piece is a number of literal bytes, or a weight.
type Piece struct {
	Literal int    `json:"literal,omitempty"`
	Weight  string `json:"weight,omitempty"`
	Shape   []int  `json:"shape,omitempty"`
	Half    bool   `json:"half,omitempty"` // float16 in place of float32
}

// Bytes are those of a weight piece in the file.
func (p Piece) Bytes(salt uint64) []byte {
	var out []byte
	for _, v := range Weight(p.Weight, p.Shape, salt).F32 {
		if p.Half {
			out = binary.LittleEndian.AppendUint16(out, tensor.Float16(v))
		} else {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
	}
	return out
}

// Write stores the recipe with the literal bytes of its pieces.
func (r Recipe) Write(w io.Writer, literal []byte) error {
	head, err := json.Marshal(r)
	if err != nil {
		return err
	}
	z, _ := gzip.NewWriterLevel(w, gzip.BestCompression)
	if _, err := z.Write(append(append(head, '\n'), literal...)); err != nil {
		return err
	}
	return z.Close()
}

// Cook writes the file that a recipe describes.
func Cook(stored io.Reader, w io.Writer) error {
	z, err := gzip.NewReader(stored)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	head, literal, _ := bytes.Cut(raw, []byte("\n"))
	var r Recipe
	if err := json.Unmarshal(head, &r); err != nil {
		return err
	}
	for _, p := range r.Pieces {
		out := p.Bytes(r.Salt)
		if p.Weight == "" {
			if p.Literal > len(literal) {
				return fmt.Errorf("%d literal bytes are missing", p.Literal-len(literal))
			}
			out, literal = literal[:p.Literal], literal[p.Literal:]
		}
		if _, err := w.Write(out); err != nil {
			return err
		}
	}
	return nil
}

// Path is the path of a file that lies beside the manifest, written again in a
// temporary folder if only its recipe does.
func (c *Case) Path(t testing.TB, file string) string {
	t.Helper()
	c.use(t)
	path := filepath.Join(c.dir, file)
	stored, err := os.Open(path + RecipeSuffix)
	if err != nil {
		return path
	}
	defer stored.Close()
	path = filepath.Join(t.TempDir(), file)
	out, err := os.Create(path)
	if err == nil {
		err = Cook(stored, out)
		out.Close()
	}
	if err != nil {
		t.Fatalf("%s: %v", path+RecipeSuffix, err)
	}
	return path
}
