package checkpoint_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/internal/golden"
)

// TestPublishedFiles: every tensor of the published files is, bit for bit, what
// PyTorch reads.
func TestPublishedFiles(t *testing.T) {
	dir := filepath.Join(golden.Folder(t), "..", "real")
	raw, err := os.ReadFile(filepath.Join(dir, "tensors.tsv"))
	if err != nil {
		t.Skip("no published files: ", err)
	}
	files := map[string]*checkpoint.File{}
	compared := 0
	for line := range strings.Lines(string(raw)) {
		fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
		path := filepath.Join(dir, fields[0])
		if _, err := os.Stat(path); err != nil || len(fields) != 5 || strings.HasPrefix(line, "#") {
			continue
		}
		f, ok := files[path]
		if !ok {
			if f, err = checkpoint.Open(path); err != nil {
				t.Error(err)
			}
			files[path] = f
		}
		if f == nil {
			continue
		}
		var name string
		if err := json.Unmarshal([]byte(fields[1]), &name); err != nil {
			t.Fatal(err)
		}
		x, err := f.Read(name)
		if err != nil {
			t.Error(err)
			continue
		}
		var bits []byte
		for _, v := range x.F32 {
			bits = binary.LittleEndian.AppendUint32(bits, math.Float32bits(v))
		}
		for _, v := range x.I32 {
			bits = binary.LittleEndian.AppendUint32(bits, uint32(v))
		}
		sum := sha256.Sum256(bits)
		info, _ := f.Info(name)
		shape := strings.ReplaceAll(fmt.Sprint([]int(x.Shape)), " ", ", ")
		if got := hex.EncodeToString(sum[:])[:16]; got != fields[4] || string(info.DType) != fields[2] || shape != fields[3] {
			t.Errorf("%s: %s is %s %s %s, want %v", fields[0], name, info.DType, shape, got, fields[2:])
		}
		compared++
	}
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
	t.Logf("%d tensors of %d files", compared, len(files))
}
