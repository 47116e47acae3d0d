package events

import (
	"encoding/binary"
	"image"
	"os"
	"path/filepath"
	"testing"
)

// TestRecords reads the framing back: lengths, checksums, and nothing left over.
func TestRecords(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Scalar(3, "train/loss", .5); err != nil {
		t.Fatal(err)
	}
	if err := w.Image(3, "pictures", image.NewRGBA(image.Rect(0, 0, 4, 4))); err != nil {
		t.Fatal(err)
	}
	w.Close()
	files, _ := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	records := 0
	for ; len(raw) > 0; records++ {
		n := int(binary.LittleEndian.Uint64(raw))
		if binary.LittleEndian.Uint32(raw[8:]) != masked(raw[:8]) || binary.LittleEndian.Uint32(raw[12+n:]) != masked(raw[12:12+n]) {
			t.Fatalf("record %d: wrong checksum", records)
		}
		raw = raw[16+n:]
	}
	if records != 3 {
		t.Errorf("%d records, want 3", records)
	}
}
