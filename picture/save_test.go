package picture

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture/container"
	"github.com/ldm-go/ldm/picture/exif"
	"github.com/ldm-go/ldm/tensor"
)

func sample(w, h int, alpha byte) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		x, y := i%w, i/w
		img.SetNRGBA(x, y, color.NRGBA{byte(x * 7), byte(y * 5), byte(x * y), max(alpha, byte(x))})
	}
	return img
}

// TestSave: what is written is what was given, exactly in PNG and WebP, and in
// the format that the name asks for.
func TestSave(t *testing.T) {
	dir := t.TempDir()
	for _, alpha := range []byte{0, 255} {
		img := sample(33, 20, alpha)
		for name, f := range map[string]container.Format{"a.png": container.PNG, "b.JPG": container.JPEG, "c.jpeg": container.JPEG, "d.webp": container.WebP, "e": container.PNG} {
			path := filepath.Join(dir, "new", name)
			if err := Save(path, img, Options{}); err != nil {
				t.Fatal(err)
			}
			raw, _ := os.ReadFile(path)
			if got := container.Detect(raw); got != f {
				t.Errorf("%s is a file of format %q", name, got)
			}
			got, err := Decode(path)
			if err != nil {
				t.Fatal(err)
			}
			if f != container.JPEG {
				compare(t, name, got.Pix, img.Pix, got.Rect == img.Rect, 0)
			} else if alpha == 0 && got.NRGBAAt(0, 0).R < 245 {
				t.Errorf("%s: a transparent pixel became %v: want white", name, got.NRGBAAt(0, 0))
			}
		}
	}
	for _, path := range []string{"", filepath.Join(dir, "x.tga"), filepath.Join(dir, "x.gif"), dir} {
		if err := Save(path, sample(2, 2, 255), Options{}); !errors.Is(err, fault.Input) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// TestNotes: texts are where the standards have them, and the picture stays.
func TestNotes(t *testing.T) {
	img := sample(9, 6, 0)
	notes := []Note{{"parameters", exif.UserComment, "a café, 8k"}, {"ldm", exif.ImageDescription, "ldm:{}"}, {"extra", 0, "猫"}}
	for _, f := range []container.Format{container.PNG, container.JPEG, container.WebP} {
		raw, err := Encode(img, f, Options{Notes: notes})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeBytes(raw); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		r := bytes.NewReader(raw)
		chunks := container.Chunks(r, r.Size(), f)
		if f == container.PNG {
			for i, want := range []string{"tEXtparameters\x00a caf\xe9, 8k", "tEXtldm\x00ldm:{}", "iTXtextra\x00\x00\x00\x00\x00猫"} {
				data, _ := chunks[1+i].Read(r, 1<<10)
				if got := chunks[1+i].Type + string(data); got != want {
					t.Errorf("chunk %q, want %q", got, want)
				}
			}
			continue
		}
		d := exif.Parse(container.Exif(r, chunks))
		if d.Text(exif.UserComment) != notes[0].Text || d.Text(exif.ImageDescription) != notes[1].Text {
			t.Errorf("%s: %q %q", f, d.Text(exif.UserComment), d.Text(exif.ImageDescription))
		}
	}
}

func TestBrokenFiles(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"empty.png":  "",
		"page.jpg":   "<!DOCTYPE html><html>",
		"lfs.png":    "version https://git-lfs.github.com/spec/v1\n",
		"photo.heic": "\x00\x00\x00\x18ftypheic\x00\x00",
		"cut.png":    string(must(Encode(sample(40, 40, 255), container.PNG, Options{}))[:90]),
		"huge.gif":   "GIF89a\xff\xff\xff\xff\x00\x00\x00",
	} {
		path := filepath.Join(dir, name)
		os.WriteFile(path, []byte(content), 0o666)
		if _, err := Decode(path); !errors.Is(err, fault.File) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Decode(filepath.Join(dir, "missing.png")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func must(raw []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return raw
}

func TestGrid(t *testing.T) {
	x := tensor.New(3, 2, 2, 3)
	x.F32[0] = 5
	img := Grid(x, 2)
	if img.Bounds().Dx() != 5 || img.Bounds().Dy() != 5 || img.RGBAAt(0, 0) != (color.RGBA{255, 128, 128, 255}) || img.RGBAAt(2, 0) != (color.RGBA{255, 255, 255, 255}) {
		t.Errorf("%v %v", img.Bounds(), img.RGBAAt(0, 0))
	}
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.*")
	for _, file := range files {
		if raw, err := os.ReadFile(file); err == nil && len(raw) < 1<<11 {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, h, err := SizeAt(bytes.NewReader(raw), int64(len(raw)))
		if err == nil && w*h > 1<<16 {
			return // slow, and the same code
		}
		img, err := DecodeBytes(raw)
		if err == nil && (img.Rect.Dx() != w || img.Rect.Dy() != h) {
			t.Errorf("header %dx%d, picture %v", w, h, img.Rect)
		}
	})
}
