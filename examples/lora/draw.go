// Draw makes the ten pictures of examples/lora: a figure that no emoji shows, a teal
// cube with one eye and an orange antenna, each time a little different.
//
//	go run ./examples/lora FOLDER
package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log"
	"math"
	"os"
	"path/filepath"
)

const (
	side   = 64
	sample = 4 // a side of the grid within a pixel, for smooth edges
)

// pose is where and how the figure stands.
type pose struct {
	x, y, size, tilt, look float64 // in halves of the picture; tilt in radians; look is where the eye looks
	caption                string
}

var poses = []pose{
	{0, .12, .55, 0, 0, "zog"},
	{.05, .1, .6, .12, .3, "zog, looking right"},
	{-.05, .1, .6, -.12, -.3, "zog, looking left"},
	{0, .15, .5, .2, 0, "zog, tilted"},
	{0, .08, .65, -.05, .15, "a large zog"},
	{.08, .18, .45, 0, -.2, "a small zog"},
	{-.08, .14, .52, .08, .25, "a zog that looks right"},
	{.04, .12, .58, -.2, 0, "zog, tilted"},
	{0, .1, .62, .05, -.15, "zog"},
	{-.04, .16, .48, -.08, .1, "a zog"},
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: go run ./examples/lora FOLDER")
	}
	if err := os.MkdirAll(os.Args[1], 0o777); err != nil {
		log.Fatal(err)
	}
	for i, p := range poses {
		name := filepath.Join(os.Args[1], fmt.Sprintf("zog-%02d", i))
		if err := save(name+".png", draw(p)); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(name+".txt", []byte(p.caption+"\n"), 0o666); err != nil {
			log.Fatal(err)
		}
	}
}

func save(path string, img image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(f, img); err != nil {
		return err
	}
	return f.Close()
}

// draw renders a pose on white.
func draw(p pose) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			var sum [3]float64
			for k := range sample * sample {
				u := (float64(x)+(float64(k%sample)+.5)/sample)/side*2 - 1
				v := (float64(y)+(float64(k/sample)+.5)/sample)/side*2 - 1
				c := p.at(u, v)
				for i := range sum {
					sum[i] += c[i] / (sample * sample)
				}
			}
			img.Set(x, y, color.RGBA{uint8(255 * sum[0]), uint8(255 * sum[1]), uint8(255 * sum[2]), 255})
		}
	}
	return img
}

type rgb [3]float64

// at is the colour of a point of the picture, from -1 to 1.
func (p pose) at(u, v float64) rgb {
	sin, cos := math.Sincos(p.tilt)
	u, v = (u-p.x)/p.size, (v-p.y)/p.size
	u, v = cos*u+sin*v, cos*v-sin*u
	light := .75 - .2*v - .15*u
	switch {
	case math.Hypot(u-p.look*.5, v+.1) < .16:
		if math.Hypot(u-p.look*.5+.05, v+.16) < .05 {
			return rgb{1, 1, 1}
		}
		return rgb{.1, .1, .15}
	case math.Hypot(u-p.look*.25, v+.1) < .4:
		return rgb{.97, .97, .97}
	case math.Abs(v-.55) < .05 && math.Abs(u) < .3:
		return rgb{.05, .25, .28}
	case rounded(u, v, .75, .25) < 0:
		return rgb{.1 * light, .72 * light, .7 * light}
	case math.Hypot(u, v+1.3) < .17:
		return rgb{1, .55, .1}
	case math.Abs(u) < .05 && v < 0 && v > -1.2:
		return rgb{.35, .35, .4}
	case math.Abs(math.Abs(u)-.4) < .12 && v > 0 && v < 1.05:
		return rgb{.06, .45, .46}
	}
	return rgb{1, 1, 1}
}

// rounded is how far a point is outside of a square with round corners.
func rounded(u, v, half, radius float64) float64 {
	a, b := math.Max(math.Abs(u)-half+radius, 0), math.Max(math.Abs(v)-half+radius, 0)
	return math.Hypot(a, b) - radius
}
