package main

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/picture"
)

var paints = []color.RGBA{{220, 40, 30, 255}, {30, 60, 220, 255}, {40, 180, 60, 255}}

// scenes is a set of pictures with two boxes each, with COCO's boxes and with maps;
// what is in the boxes may be another thing than what is said of them.
func scenes(t *testing.T, n, wrong int) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"images", "labels"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var images, boxes []string
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 64, 64))
		labels := image.NewGray(img.Rect)
		draw.Draw(img, img.Rect, image.NewUniform(color.Gray{uint8(180 + 7*i%50)}), image.Point{}, draw.Src)
		for k := range 2 {
			class := (i + k*(1+i%2)) % 3
			r := image.Rect(4, 4+28*k, 40+i%8, 32+28*k)
			c := paints[(class+wrong)%3]
			c.G += uint8(5 * (i % 4))
			draw.Draw(img, r, image.NewUniform(c), image.Point{}, draw.Src)
			draw.Draw(labels, r, image.NewUniform(color.Gray{uint8(class + 1)}), image.Point{}, draw.Src)
			boxes = append(boxes, fmt.Sprintf(`{"id": %d, "image_id": %d, "category_id": %d, "bbox": [%d, %d, %d, %d], "iscrowd": 0}`, 2*i+k, i, class+1, r.Min.X, r.Min.Y, r.Dx(), r.Dy()))
		}
		images = append(images, fmt.Sprintf(`{"id": %d, "file_name": "%d.png", "width": 64, "height": 64}`, i, i))
		if err := picture.Save(filepath.Join(dir, "images", fmt.Sprint(i, ".png")), img, picture.Options{}); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filepath.Join(dir, "labels", fmt.Sprint(i, ".png")))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, labels); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	text := fmt.Sprintf(`{"images": [%s], "annotations": [%s], "categories": [{"id": 1, "name": "red"}, {"id": 2, "name": "blue"}, {"id": 3, "name": "green"}]}`,
		strings.Join(images, ","), strings.Join(boxes, ","))
	if err := os.WriteFile(filepath.Join(dir, "instances.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// shares are what was found, in per cent, in the order of the lines.
func shares(t *testing.T, text string) (list []float64) {
	t.Helper()
	for _, m := range regexp.MustCompile(`found ([0-9.]+) %`).FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	if len(list) != 3 {
		t.Fatalf("%d shares in\n%s", len(list), text)
	}
	return list
}

// TestEvaluateFound: things are found in the pictures that show them, and not in
// those that show others.
func TestEvaluateFound(t *testing.T) {
	if testing.Short() {
		t.Skip("SqueezeNet's features of 300 boxes")
	}
	train, set, right, wrong := scenes(t, 15, 0), scenes(t, 6, 0), scenes(t, 6, 0), scenes(t, 6, 1)
	for _, kind := range []string{"layout", "semantic"} {
		args := []string{"evaluate", kind, train, set, filepath.Join(right, "images"), "--size", "64"}
		text := printed(t, args...)
		if s := shares(t, text); s[0] < 85 || s[1] < 85 || s[2] > 75 || kind == "semantic" && !strings.Contains(text, "mean IoU") {
			t.Errorf("%s of right pictures:\n%s", kind, text)
		}
		args[4] = filepath.Join(wrong, "images")
		if text := printed(t, args...); shares(t, text)[0] > 45 {
			t.Errorf("%s of wrong pictures:\n%s", kind, text)
		}
		if err := os.Remove(filepath.Join(right, "images", "3.png")); err != nil {
			t.Fatal(err)
		}
		args[4] = filepath.Join(right, "images")
		if _, err := failing(t, args...); !strings.Contains(err.Error(), "no picture was made for") {
			t.Error(err)
		}
		if err := picture.Save(filepath.Join(right, "images", "3.png"), disc(64, color.Black), picture.Options{}); err != nil {
			t.Fatal(err)
		}
	}
}
