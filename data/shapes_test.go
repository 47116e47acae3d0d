package data

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"
	"strings"
	"testing"
)

// encode is a PNG.
func encode(img image.Image) string {
	var b bytes.Buffer
	png.Encode(&b, img)
	return b.String()
}

// ramp is a picture whose red grows from left to right and green from top to bottom.
func ramp(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.SetNRGBA(i%w, i/w, color.NRGBA{byte(i % w), byte(i / w), 0, 255})
	}
	return img
}

// TestPairs: folders side by side are pictures and what goes with them, cut alike.
func TestPairs(t *testing.T) {
	label := image.NewPaletted(image.Rect(0, 0, 200, 100), color.Palette{color.Black, color.White, color.Gray{9}})
	for i := range 200 * 100 {
		label.Pix[i] = byte(i % 200 / 100 * 2)
	}
	dir := lay(t, map[string]string{
		"images/training/x.png": encode(ramp(200, 100)), "annotations/training/x.png": encode(label),
		"input/training/x.png": encode(ramp(200, 100)), "annotations/training/lone.png": "*",
	})
	for _, random := range []bool{false, true} {
		s, err := OpenSet(dir, Options{Size: 50, RandomCrop: random})
		if err != nil {
			t.Fatal(err)
		}
		if s.Len() != 1 || s.Summary.UnusedCount != 1 || s.Summary.Companions["label"] != 1 || s.Summary.Companions["input"] != 1 {
			t.Fatalf("%s", s.Summary)
		}
		for _, p := range []Pick{{X: 0.5, Y: 0.5}, {X: 0.2, Y: 0.5}, {X: 0.7, Y: 0.5, Mirror: true}} {
			x, y := make([]float32, 50*50*3), make([]float32, 50*50*3)
			if err := s.FillPick(x, p); err != nil {
				t.Fatal(err)
			}
			if err := s.FillCompanion(y, p, "input"); err != nil {
				t.Fatal(err)
			}
			for i := range x {
				if d := math.Abs(float64(x[i] - y[i])); d > 2/127.5 {
					t.Fatalf("pick %+v: value %d differs by %g", p, i, d)
				}
			}
			l, err := s.Labels(p, "label")
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range l.Index {
				if red := (x[3*i] + 1) * 127.5; red < 98 && v != 0 || red > 102 && v != 2 {
					t.Fatalf("pick %+v: red %g has the label %d", p, red, v)
				}
			}
		}
	}
}

// TestLabelColors: a colour has the same number in all maps.
func TestLabelColors(t *testing.T) {
	red, blue := color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 0, 255, 255}
	flat := func(c color.NRGBA) string {
		img := image.NewNRGBA(image.Rect(0, 0, 8, 8))
		for i := range 64 {
			img.SetNRGBA(i%8, i/8, c)
		}
		return encode(img)
	}
	s, err := Open(lay(t, map[string]string{"images/a.png": "*", "labels/a.png": flat(red), "images/b.png": "*", "labels/b.png": flat(blue)}), 4)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int32{1, 0} { // blue comes first
		l, err := s.Labels(Pick{Index: i, X: .5, Y: .5}, "label")
		if err != nil || l.Index[0] != want || len(l.Colors) != 2 {
			t.Errorf("map %d: %v, %v", i, l, err)
		}
	}
	s.UseLabelColors("label", []color.RGBA{{255, 0, 0, 255}})
	if _, err := s.Labels(Pick{Index: 1}, "label"); err == nil || !strings.Contains(err.Error(), "#0000ff") {
		t.Errorf("an unknown colour: %v", err)
	}
}

func TestRandomCrop(t *testing.T) {
	s, err := OpenSet(lay(t, map[string]string{"x.png": encode(ramp(100, 50))}), Options{Size: 50, RandomCrop: true})
	if err != nil {
		t.Fatal(err)
	}
	l := Loader{Set: s, Batch: 20}
	seen := map[float32]bool{}
	for _, p := range l.Picks(0) {
		x := make([]float32, 50*50*3)
		if err := s.FillPick(x, p); err != nil {
			t.Fatal(err)
		}
		seen[x[0]] = true
	}
	if len(seen) < 10 {
		t.Errorf("%d different crops of 20", len(seen))
	}
}

// TestZoom: crops show between all of a picture's width and its own pixels, the
// few that there are of each come again, and companions are cut alike.
func TestZoom(t *testing.T) {
	dir := lay(t, map[string]string{"images/x.png": encode(ramp(160, 100)), "input/x.png": encode(ramp(160, 100))})
	s, err := OpenSet(dir, Options{Size: 40, RandomCrop: true, Zoom: 4, Crops: 3})
	if err != nil {
		t.Fatal(err)
	}
	l := Loader{Set: s, Batch: 60}
	seen := map[Pick]bool{}
	for _, p := range l.Picks(0) {
		x, y := make([]float32, 40*40*3), make([]float32, 40*40*3)
		if err := s.FillPick(x, p); err != nil {
			t.Fatal(err)
		}
		if err := s.FillCompanion(y, p, "input"); err != nil {
			t.Fatal(err)
		}
		span := float64(x[39*3]-x[0]) * 127.5 // pixels of the file between the first and the last
		want := 39 * 2.5 / min(p.Zoom, 2.5)
		if math.Abs(span-want) > 3 {
			t.Errorf("zoom %g shows %g pixels, want %g", p.Zoom, span, want)
		}
		for i := range x {
			if d := math.Abs(float64(x[i] - y[i])); d > 3/127.5 {
				t.Fatalf("pick %+v: value %d differs by %g", p, i, d)
			}
		}
		seen[p] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d different crops, want 3", len(seen))
	}
	for _, o := range []Options{{Size: 8, Zoom: 2}, {Size: 8, RandomCrop: true, Zoom: .5}, {Size: 8, RandomCrop: true, Crops: -1}} {
		if _, err := OpenSet(dir, o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func TestBoxesOfPick(t *testing.T) {
	s := &Set{Size: 50, Items: []Item{{Width: 200, Height: 100, Boxes: []Box{{0, .4, .5, .2, .25, false, nil}, {1, 0, 0, .3, 1, false, nil}, {2, 0, 0, .1, 1, false, nil}}}}}
	got := s.BoxesOf(Pick{X: .5, Y: .5}) // pixels 50 to 150 of 200
	want := []Box{{0, .3, .5, .4, .25, false, nil}, {1, 0, 0, .1, 1, false, nil}}
	near := func(a, b Box) bool {
		return a.Class == b.Class && math.Abs(a.X-b.X)+math.Abs(a.Y-b.Y)+math.Abs(a.W-b.W)+math.Abs(a.H-b.H) < 1e-9
	}
	if !slices.EqualFunc(got, want, near) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := s.BoxesOf(Pick{X: .5, Y: .5, Mirror: true}); !near(got[1], Box{1, .9, 0, .1, 1, false, nil}) {
		t.Errorf("mirrored %v", got)
	}
}

// TestBuckets: every batch is of one shape, and an epoch has every picture.
func TestBuckets(t *testing.T) {
	list, err := Buckets(512, 64, 2)
	if err != nil || !slices.Contains(list, image.Pt(512, 512)) || !slices.Contains(list, image.Pt(384, 640)) {
		t.Errorf("%v %v", list, err)
	}
	for _, b := range list {
		if b.X*b.Y > 512*512 || b.X%64 != 0 || b.Y%64 != 0 {
			t.Errorf("bucket %v", b)
		}
	}
	files := map[string]string{}
	for i, size := range []image.Point{{40, 40}, {80, 40}, {78, 40}, {40, 80}, {41, 40}, {40, 42}, {90, 44}} {
		files[string(rune('a'+i))+".png"] = encode(ramp(size.X, size.Y))
	}
	s, err := Open(lay(t, files), 16)
	if err != nil {
		t.Fatal(err)
	}
	list, _ = Buckets(16, 4, 2)
	if err := s.SetBuckets(list); err != nil {
		t.Fatal(err)
	}
	l := Loader{Set: s, Batch: 2, Seed: 4}
	seen := map[int]int{}
	for step := range l.steps() {
		picks, err := l.Sound(step)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range picks {
			seen[p.Index]++
			if p.Bucket != picks[0].Bucket {
				t.Errorf("step %d has the shapes %v and %v", step, p.Bucket, picks[0].Bucket)
			}
		}
		dst := make([]float32, 2*3*picks[0].Bucket.X*picks[0].Bucket.Y)
		if err := l.Images(dst, step); err != nil {
			t.Error(err)
		}
	}
	if len(seen) != 7 {
		t.Errorf("an epoch has %d of 7 pictures", len(seen))
	}
	again := Loader{Set: s, Batch: 2, Seed: 4}
	if !slices.Equal(again.Picks(7), l.Picks(7)) {
		t.Error("a step depends on those before")
	}
}

// TestAhead: pictures that are decoded ahead are the same.
func TestAhead(t *testing.T) {
	files := map[string]string{}
	for i := range 12 {
		files[strings.Repeat("x", i+1)+".png"] = encode(ramp(20+i, 20))
	}
	dir := lay(t, files)
	deal := func(images func(l *Loader, dst []float32, step int) error) []float32 {
		s, err := Open(dir, 8)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		l := &Loader{Set: s, Batch: 4, Seed: 9, Mirror: true}
		var all []float32
		for step := range 7 {
			dst := make([]float32, 4*8*8*3)
			if err := images(l, dst, step); err != nil {
				t.Fatal(err)
			}
			all = append(all, dst...)
		}
		return all
	}
	with := deal((*Loader).Images)
	without := deal(func(l *Loader, dst []float32, step int) error {
		for i, p := range l.Picks(step) {
			if err := l.Set.FillPick(dst[i*192:][:192], p); err != nil {
				return err
			}
		}
		return nil
	})
	if !slices.Equal(with, without) {
		t.Error("the pictures differ")
	}
}
