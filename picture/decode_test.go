package picture

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDecode: each picture of testdata beside what Pillow (libwebp, libjpeg)
// reads from it. Lossless files and WebP agree bit for bit; the JPEGs' two
// decoders round differently.
func TestDecode(t *testing.T) {
	files, _ := filepath.Glob("testdata/*")
	for _, file := range files {
		want, err := os.ReadFile(file + ".png")
		if err != nil {
			continue
		}
		expected, err := png.Decode(bytes.NewReader(want))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if w, h, err := Size(file); err != nil || w != got.Rect.Dx() || h != got.Rect.Dy() {
			t.Errorf("%s: header %dx%d, picture %v, %v", file, w, h, got.Rect, err)
		}
		tolerance := 0
		if strings.HasSuffix(file, ".jpg") {
			tolerance = 3
		}
		compare(t, file, got.Pix, toNRGBA(expected).Pix, got.Rect == expected.Bounds(), tolerance)
	}
}

func compare(t *testing.T, file string, got, want []byte, sameSize bool, tolerance int) {
	t.Helper()
	if !sameSize {
		t.Errorf("%s: %d bytes, want %d", file, len(got), len(want))
		return
	}
	worst, at := 0, 0
	for i := range got {
		if want[i|3] == 0 && got[i|3] == 0 {
			continue // what cannot be seen
		}
		if d := max(int(got[i])-int(want[i]), int(want[i])-int(got[i])); d > worst {
			worst, at = d, i
		}
	}
	if worst > tolerance {
		t.Errorf("%s: byte %d is %d, want %d", file, at, got[at], want[at])
	}
}
