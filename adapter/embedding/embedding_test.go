package embedding

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/tensor"
)

// TestPublished reads files as people publish them.
func TestPublished(t *testing.T) {
	dir := filepath.Join(golden.Folder(t), "..", "real", "embeddings")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no published files: ", err)
	}
	for _, c := range []struct {
		file, word   string
		width, count int
	}{
		{"emb_params-5x768.safetensors", "emb_params-5x768", 768, 5},
		{"diffusers-birb-style.bin", "<birb-style>", 768, 1},
		{"cloneofsimo-kiriko2.ti.pt", "<krk>", 768, 1},
		{"a1111-sd21-FloralMarble.pt", "a1111-sd21-FloralMarble", 1024, 4},
	} {
		words, err := Open(filepath.Join(dir, c.file), "", c.width)
		if err != nil || len(words) != 1 || words[0].Name != c.word || words[0].Vectors.Shape[0] != c.count {
			t.Errorf("%s: %v, %v: want %s of %d vectors", c.file, words, err, c.word, c.count)
		}
	}
	_, err := Open(filepath.Join(dir, "a1111-sd21-FloralMarble.pt"), "", 768)
	if err == nil || !strings.Contains(err.Error(), "1024 channels (it is made for Stable Diffusion v2): want 768") {
		t.Error(err)
	}
}

// FuzzRead: any file is read or refused.
func FuzzRead(f *testing.F) {
	for _, tensors := range []map[string]*tensor.Tensor{
		{nameInvoke: tensor.New(2, 4)}, {"<a>": tensor.New(4), "<b>": tensor.New(1, 4)}, {"clip_g": tensor.New(1, 4)}, {"": tensor.New(4)},
	} {
		path := filepath.Join(f.TempDir(), "word.safetensors")
		if err := checkpoint.Save(path, tensors, nil, checkpoint.F32); err != nil {
			f.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := checkpoint.NewFile("fuzz", bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return
		}
		words, err := read(file, "fuzz.pt", "", 4)
		for _, w := range words {
			if err == nil && (w.Name == "" || w.Vectors.Shape[1] != 4) {
				t.Errorf("%+v", w)
			}
		}
	})
}
