package picture_test

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/metadata"
)

// shades are frames of the shades of a colour, each with other ones.
func shades(n int, shade func(v uint8) color.RGBA) []image.Image {
	frames := make([]image.Image, n)
	for i := range frames {
		img := image.NewRGBA(image.Rect(0, 0, 32, 24))
		for k := range 32 * 24 {
			img.SetRGBA(k%32, k/32, shade(uint8(i*256/n+k%(256/n))))
		}
		frames[i] = img
	}
	return frames
}

// TestAnimatedPalette: the colours of a GIF are those that its frames need, and the same in
// all of them.
func TestAnimatedPalette(t *testing.T) {
	for name, c := range map[string]struct {
		shade func(v uint8) color.RGBA
		most  float64 // mean error of a channel
	}{
		"one colour":      {func(uint8) color.RGBA { return color.RGBA{200, 30, 7, 255} }, 0},
		"shades of red":   {func(v uint8) color.RGBA { return color.RGBA{v, 20, 20, 255} }, .6},
		"skin to shadow":  {func(v uint8) color.RGBA { return color.RGBA{v, v / 4 * 3, v / 2, 255} }, 1},
		"clear on purple": {func(v uint8) color.RGBA { return color.RGBA{} }, 0},
	} {
		frames := shades(4, c.shade)
		path := filepath.Join(t.TempDir(), "a.gif")
		if err := picture.SaveAnimation(path, frames, 12); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		g, err := gif.DecodeAll(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if len(g.Image) != 4 || g.LoopCount != 0 || g.Delay[0] != 8 {
			t.Errorf("%s: %d frames, %d rounds, delay %d", name, len(g.Image), g.LoopCount, g.Delay[0])
		}
		var sum, count float64
		for i, frame := range g.Image {
			want := picture.OnWhite(frames[i])
			for k := range 32 * 24 {
				r, g, b, _ := frame.At(k%32, k/32).RGBA()
				w := want.RGBAAt(k%32, k/32)
				sum += math.Abs(float64(r>>8)-float64(w.R)) + math.Abs(float64(g>>8)-float64(w.G)) + math.Abs(float64(b>>8)-float64(w.B))
				count += 3
			}
		}
		if !(sum/count <= c.most) {
			t.Errorf("%s: a mean error of %g: want at most %g", name, sum/count, c.most)
		}
	}
}

// TestAnimationNotes: what moves carries how it was made, in PNG and in GIF, whatever its
// length and letters.
func TestAnimationNotes(t *testing.T) {
	long := string(bytes.Repeat([]byte("a cat, "), 90))
	notes, err := metadata.Notes(metadata.Parameters{Prompt: long + "häß", Fields: []metadata.Field{{Key: "Steps", Value: "7"}, {Key: "Seed", Value: "3"}, {Key: "Sampler", Value: "DDIM"}}},
		map[string]string{"task": "interpolate", "text": long})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.gif", "a.png"} {
		path := filepath.Join(t.TempDir(), name)
		if err := picture.SaveAnimation(path, shades(3, func(v uint8) color.RGBA { return color.RGBA{v, v, 0, 255} }), 12, notes...); err != nil {
			t.Fatal(err)
		}
		s, err := metadata.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		if s.Program != "ldm" || s.Prompt != long+"häß" || s.Steps != 7 || len(s.Own) == 0 {
			t.Errorf("%s: read as %+v", name, s)
		}
		if _, err := picture.Decode(path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(raw) / 7 {
			metadata.ReadBytes(raw[:n*7]) // cut off, it is read as far as it goes
		}
	}
}
