package picture

import (
	"fmt"
	"image"
	"math"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/internal/golden"
)

func resizeCase(t *testing.T, name string) *golden.Case {
	for _, c := range golden.Cases(t, "metrics") {
		if c.Base() == name {
			return c
		}
	}
	t.Skip("no case " + name)
	return nil
}

// TestResizePillow: every filter and size, bit for bit.
func TestResizePillow(t *testing.T) {
	c := resizeCase(t, "resize-pillow")
	picture, grey := numbers(t, c, "input/picture"), numbers(t, c, "input/grey")
	const h, w = 37, 53
	src, greySrc := image.NewRGBA(image.Rect(0, 0, w, h)), image.NewRGBA(image.Rect(0, 0, w, h))
	first := make([]float32, h*w)
	for i := range h * w {
		for k := range 3 {
			src.Pix[4*i+k], greySrc.Pix[4*i+k] = byte(picture[3*i+k]), byte(grey[i])
		}
		src.Pix[4*i+3], greySrc.Pix[4*i+3] = 255, 255
		first[i] = float32(picture[3*i])
	}
	for name := range c.Outputs {
		mode, size, _ := strings.Cut(name, "/")
		var outW, outH int
		fmt.Sscanf(size, "%dx%d", &outW, &outH)
		want := numbers(t, c, name)
		var got []float64
		take := func(img *image.RGBA, channels int) {
			for i := range outW * outH {
				for k := range channels {
					got = append(got, float64(img.Pix[4*i+k]))
				}
			}
		}
		tolerance := 0.0
		switch mode {
		case "reduce_box":
			take(ResizeWindow(src, outW, outH, Bicubic, Window{3.5, 2.25, w - 4, h - 1.5}), 3)
		case "grey_bicubic":
			take(Resize(greySrc, outW, outH, Bicubic), 1)
		case "float_bicubic":
			tolerance = 1e-4
			for _, v := range ResizeFloat(first, h, w, outH, outW, Bicubic) {
				got = append(got, float64(v))
			}
		default:
			for _, f := range Filters {
				if f.Name == mode {
					take(Resize(src, outW, outH, f), 3)
				}
			}
		}
		if worst := distance(got, want); !(worst <= tolerance) {
			t.Errorf("%s: off by %g", name, worst)
		}
	}
}

// TestInterpolate: PyTorch's interpolation, in float64.
func TestInterpolate(t *testing.T) {
	c := resizeCase(t, "resize-torch")
	x := numbers(t, c, "input/x")
	const h, w = 14, 19
	for name := range c.Outputs {
		mode, size, _ := strings.Cut(name, "/")
		var outW, outH int
		fmt.Sscanf(size, "%dx%d", &outH, &outW)
		var got []float64
		for _, p := range Interpolations {
			if p.Name == mode {
				for plane := range 2 {
					got = append(got, Interpolate(x[plane*h*w:][:h*w], h, w, outH, outW, p)...)
				}
			}
		}
		tolerance := 1e-12
		if mode == "tf1_bilinear" {
			tolerance = 2e-6 // the reference finds its places in float32
		}
		if worst := distance(got, c.Floats64(t, name)); !(worst <= tolerance) {
			t.Errorf("%s: off by %g", name, worst)
		}
	}
}

func distance(got, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var worst float64
	for i, v := range got {
		worst = max(worst, math.Abs(v-want[i]))
	}
	return worst
}

// numbers reads a stored tensor of any type.
func numbers(t *testing.T, c *golden.Case, name string) []float64 {
	x := c.Output(t, name)
	var out []float64
	for _, v := range x.F32 {
		out = append(out, float64(v))
	}
	for _, v := range x.I32 {
		out = append(out, float64(v))
	}
	return out
}
