package emoji

import (
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/data/files"
	"github.com/ldm-go/ldm/picture"
)

// TestRecolor: coloured parts get the hue with their shades, white and black stay,
// and gray pictures are tinted.
func TestRecolor(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 4, 1))
	img.SetNRGBA(0, 0, color.NRGBA{250, 190, 40, 255})
	img.SetNRGBA(1, 0, color.NRGBA{200, 120, 20, 255})
	img.SetNRGBA(2, 0, color.NRGBA{255, 255, 255, 255})
	img.SetNRGBA(3, 0, color.NRGBA{255, 0, 0, 0})
	gray := image.NewNRGBA(image.Rect(0, 0, 1, 1))
	gray.SetNRGBA(0, 0, color.NRGBA{128, 128, 128, 255})
	for _, p := range paints {
		for what, v := range map[string]color.NRGBA{"light": p.recolor(img).NRGBAAt(0, 0), "dark": p.recolor(img).NRGBAAt(1, 0), "gray": p.recolor(gray).NRGBAAt(0, 0)} {
			l, a, b := toLab([]byte{v.R, v.G, v.B})
			hue := math.Mod(math.Atan2(b, a)*180/math.Pi+360, 360)
			if d := math.Abs(math.Mod(hue-p.h+540, 360) - 180); d > 20 || math.Hypot(a, b) < .06 || l < .2 {
				t.Errorf("%s, %s: %v has the hue %g and the lightness %g", p.name, what, v, hue, l)
			}
		}
		out := p.recolor(img)
		if out.NRGBAAt(2, 0) != img.NRGBAAt(2, 0) || out.NRGBAAt(3, 0) != img.NRGBAAt(3, 0) {
			t.Errorf("%s: white or what is transparent was changed", p.name)
		}
	}
}

// TestCompose: what is held out is in the split test alone, and all of it.
func TestCompose(t *testing.T) {
	dir := t.TempDir()
	if err := picture.Save(filepath.Join(dir, "x.png"), image.NewNRGBA(image.Rect(0, 0, 40, 40)), picture.Options{}); err != nil {
		t.Fatal(err)
	}
	tree, err := files.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := []emoji{
		{Text: "cat face", hexcode: "1f431", Group: 3, FileName: "1f431.png"}, {Text: "dog face", hexcode: "1f436", Group: 3, FileName: "1f436.png"},
		{Text: "sunglasses", hexcode: "1f576", Group: 7, FileName: "1f576.png"}, {Text: "red heart", hexcode: "2764", Group: 0, FileName: "2764.png"},
	}
	pictures := map[string]files.File{}
	for _, e := range list {
		pictures[e.hexcode] = tree.Files[0]
	}
	out := filepath.Join(dir, "out")
	counts, err := write(t.Context(), out, pictures, list, Options{Size: 16, Composed: true})
	if err != nil {
		t.Fatal(err)
	}
	of := func(split string) (texts []string) {
		set, err := data.OpenSet(out, data.Options{Size: 16, Split: split})
		if err != nil {
			t.Fatal(err)
		}
		defer set.Close()
		for _, it := range set.Items {
			texts = append(texts, it.Texts[0])
		}
		return texts
	}
	test, train := of("test"), of("train")
	for _, caption := range []string{"blue cat face", "green dog face", "dog face with sunglasses", "blue cat face with sunglasses", "cat face and dog face"} {
		if !slices.Contains(test, caption) || slices.Contains(train, caption) {
			t.Errorf("%q is not held out", caption)
		}
	}
	if len(test) != 5 || counts.Test != 5 || counts.Train != len(train) || !slices.Contains(train, "cat face with sunglasses") {
		t.Errorf("%+v: %q, %q", counts, test, train)
	}
	if held := HeldOut(); len(held) != 60 {
		t.Errorf("%d captions are held out", len(held))
	}
	if left, _ := os.ReadDir(filepath.Join(out, "validation")); len(left) > 1 {
		t.Errorf("%d files of validation", len(left))
	}
}
