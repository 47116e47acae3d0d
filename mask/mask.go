// Package mask draws the holes that inpainting models are trained to fill:
// the narrow, wide and box masks of LaMa (Suvorov et al., arXiv 2109.07161,
// supplement), which section 4.5 of the paper takes over.
package mask

import (
	"math"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// Kind is a way to draw holes.
type Kind uint8

// The kinds of LaMa's training and evaluation.
const (
	Narrow Kind = iota // many thin strokes
	Wide               // few thick strokes
	Box                // rectangles
)

var names = []string{"narrow", "wide", "box"}

// String is the kind's name in YAML.
func (k Kind) String() string { return names[k] }

// MarshalText writes the name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a name.
func (k *Kind) UnmarshalText(b []byte) error {
	i := slices.Index(names, string(b))
	if i < 0 {
		return fault.Inputf("mask %q: want %s", b, strings.Join(names, ", "))
	}
	*k = Kind(i)
	return nil
}

// reference is the side of the pictures that LaMa's sizes are given for.
const reference = 256

// Draw draws a hole of a picture of w x h pixels: [h, w], 1 in the hole and 0
// elsewhere. The sizes of strokes and boxes are in proportion to the shorter side.
func Draw(k Kind, w, h int, s tensor.Stream) []float32 {
	c := canvas{w: w, h: h, unit: float64(min(w, h)) / reference, hole: make([]float32, w*h), s: s}
	switch k {
	case Narrow:
		c.strokes(4, 50, 40, 10)
	case Wide:
		c.strokes(1, 5, 200, 100)
	case Box:
		c.boxes(1, 4, 30, 150, 10)
	}
	return c.hole
}

// canvas is a mask that is being drawn.
type canvas struct {
	w, h int
	unit float64 // of lengths
	hole []float32
	s    tensor.Stream
}

// between draws a whole number from low to high-1.
func (c *canvas) between(low, high int) int { return low + c.s.IntN(max(high-low, 1)) }

// strokes draws some polygonal lines; each turns to and fro.
func (c *canvas) strokes(fewest, most, length, width int) {
	const corners, angles = 5, 4
	for i := range c.between(fewest, most+1) {
		x, y := float64(c.s.IntN(c.w)), float64(c.s.IntN(c.h))
		for range 1 + c.s.IntN(corners) {
			angle := .01 + float64(c.s.IntN(angles))
			if i%2 == 0 {
				angle = 2*math.Pi - angle
			}
			far := c.unit * float64(10+c.s.IntN(length))
			brush := c.unit * float64(5+c.s.IntN(width))
			toX := min(max(x+far*math.Sin(angle), 0), float64(c.w))
			toY := min(max(y+far*math.Cos(angle), 0), float64(c.h))
			c.line(x, y, toX, toY, max(brush, 1)/2)
			x, y = toX, toY
		}
	}
}

// line fills what is at most radius away from a line.
func (c *canvas) line(x0, y0, x1, y1, radius float64) {
	dx, dy := x1-x0, y1-y0
	square := max(dx*dx+dy*dy, 1e-9)
	for py := c.clampY(min(y0, y1) - radius); py < c.clampY(max(y0, y1)+radius+1); py++ {
		for px := c.clampX(min(x0, x1) - radius); px < c.clampX(max(x0, x1)+radius+1); px++ {
			t := min(max(((float64(px)-x0)*dx+(float64(py)-y0)*dy)/square, 0), 1)
			if math.Hypot(float64(px)-x0-t*dx, float64(py)-y0-t*dy) <= radius {
				c.hole[py*c.w+px] = 1
			}
		}
	}
}

// boxes fills some rectangles that keep a margin to the rim.
func (c *canvas) boxes(fewest, most, smallest, largest, margin int) {
	edge := int(c.unit * float64(margin))
	for range c.between(fewest, most+1) {
		side := func(room int) int {
			return min(int(c.unit*float64(c.between(smallest, largest))+.5), max(room-2*edge, 1))
		}
		w, h := max(side(c.w), 1), max(side(c.h), 1)
		x, y := c.between(edge, c.w-edge-w+1), c.between(edge, c.h-edge-h+1)
		for py := y; py < min(y+h, c.h); py++ {
			for px := x; px < min(x+w, c.w); px++ {
				c.hole[py*c.w+px] = 1
			}
		}
	}
}

func (c *canvas) clampX(v float64) int { return int(min(max(v, 0), float64(c.w))) }
func (c *canvas) clampY(v float64) int { return int(min(max(v, 0), float64(c.h))) }
