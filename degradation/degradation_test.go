package degradation

import (
	"bytes"
	"image"
	"math"
	"testing"

	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/tensor"
)

// TestGolden holds the deterministic pieces against the reference.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "degradation") {
		in := c.Input(t, "image")
		x := newPixels(in.Shape[0], in.Shape[1])
		for i, v := range in.F32 {
			x.v[i] = float64((v + 1) * .5)
		}
		first := make([]float64, x.h*x.w) // of the channels
		for i := range first {
			first[i] = x.v[3*i]
		}
		stretched := anisotropicGaussian(15, .3, 6, 2)
		for name, got := range map[string][]float64{
			"imresize_0.5": x.matlabResize(.5).v, "imresize_0.25": x.matlabResize(.25).v, "imresize_0.3333": x.matlabResize(1. / 3).v,
			"imresize_2": x.matlabResize(2).v, "imresize_1.5": x.matlabResize(1.5).v,
			"anisotropic_0": stretched.w, "anisotropic_1": anisotropicGaussian(7, 2, 1.5, 1.5).w, "anisotropic_2": anisotropicGaussian(8, 1, 2, .7).w,
			"fspecial_gaussian_0": gaussian(7, 1.2).w, "fspecial_gaussian_1": gaussian(4, .8).w, "fspecial_gaussian_2": gaussian(15, .3).w,
			"blur_mirror": x.convolve(stretched).v, "blur_mirror_other": x.convolve(anisotropicGaussian(8, 1, 2, .7)).v,
			"shift_pixel_2": shift(first, x.h, x.w, 2), "shift_pixel_4": shift(first, x.h, x.w, 4),
		} {
			float := make([]float32, len(got))
			for i, v := range got {
				float[i] = float32(v)
			}
			if e := golden.RelErr(float, c.Output(t, name).F32); !(e < 1e-5) {
				t.Errorf("%s: error %g", name, e)
			}
		}
	}
}

// scene is a picture of smooth colours with an edge.
func scene(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		x, y := i%w, i/w
		copy(img.Pix[4*i:], []uint8{uint8(255 * x / w), uint8(255 * y / h), 80, 255})
		if x > y {
			img.Pix[4*i+2] = 200
		}
	}
	return img
}

// TestKinds: every kind gives the size asked for, the same for a seed and another
// for the next, and about the picture.
func TestKinds(t *testing.T) {
	if testing.Short() {
		t.Skip("degrades many pictures")
	}
	img := scene(130, 97)
	for _, k := range []Kind{Bicubic, BSR, BSRLight} {
		plain, err := Bicubic.Apply(img, 4, tensor.NewStream(0))
		if err != nil {
			t.Fatal(err)
		}
		differ := false
		for seed := range uint64(30) {
			a, err := k.Apply(img, 4, tensor.NewStream(seed))
			if err != nil {
				t.Fatal(err)
			}
			b, _ := k.Apply(img, 4, tensor.NewStream(seed))
			next, _ := k.Apply(img, 4, tensor.NewStream(seed+1))
			if a.Rect != image.Rect(0, 0, 32, 24) || !bytes.Equal(a.Pix, b.Pix) {
				t.Fatalf("%s, seed %d: %v, or not the same twice", k, seed, a.Rect)
			}
			differ = differ || !bytes.Equal(a.Pix, next.Pix)
			if d := distance(a, plain); d > 35 {
				t.Errorf("%s, seed %d: %.0f from the picture", k, seed, d)
			}
		}
		if differ != (k != Bicubic) {
			t.Errorf("%s: seeds differ: %v", k, differ)
		}
	}
}

// distance is the mean difference of two pictures.
func distance(a, b *image.RGBA) (d float64) {
	for i := range a.Pix {
		d += math.Abs(float64(a.Pix[i]) - float64(b.Pix[i]))
	}
	return d / float64(len(a.Pix)) * 4 / 3
}

// TestSmall: pictures down to the factor itself.
func TestSmall(t *testing.T) {
	for _, k := range []Kind{Bicubic, BSR, BSRLight} {
		for seed := range uint64(20) {
			for _, factor := range []int{1, 2, 3, 4} {
				if _, err := k.Apply(scene(factor, 2*factor), factor, tensor.NewStream(seed)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := k.Apply(scene(3, 9), 4, tensor.NewStream(1)); err == nil {
			t.Errorf("%s: 3 pixels, a quarter of it, is accepted", k)
		}
	}
}

// TestInterpolation: constants stay, and areas are means.
func TestInterpolation(t *testing.T) {
	x := newPixels(6, 8)
	for i := range x.v {
		x.v[i] = .25
	}
	for _, i := range []interpolation{linear, cubic, area} {
		for _, size := range [][2]int{{3, 2}, {5, 7}, {16, 13}} {
			for _, v := range x.resize(size[0], size[1], i).v {
				if math.Abs(v-.25) > 1e-12 {
					t.Fatalf("interpolation %d to %v: %g", i, size, v)
				}
			}
		}
	}
	for i := range x.v {
		x.v[i] = float64(i / 3 % 8)
	}
	if v := x.resize(4, 6, area).v; v[0] != .5 || v[3] != 2.5 {
		t.Errorf("means of two columns: %g, %g", v[0], v[3])
	}
}

func TestNames(t *testing.T) {
	var k Kind
	if err := k.UnmarshalText([]byte("bsr-light")); err != nil || k != BSRLight {
		t.Errorf("%v, %v", k, err)
	}
	if err := k.UnmarshalText([]byte("blur")); err == nil {
		t.Error("blur is accepted")
	}
}
