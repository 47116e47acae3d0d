package upscale_test

import (
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/retouch"
	"github.com/ldm-go/ldm/weights/upscale"
)

// TestUpscale: a picture with edges and shades becomes four times as large, and stays what
// it was: nearer to the large one that it was made of than the bicubic enlargement.
func TestUpscale(t *testing.T) {
	m, err := upscale.Load(ldm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	large := image.NewRGBA(image.Rect(0, 0, 128, 128))
	for i := range 128 * 128 {
		x, y := i%128, i/128
		c := color.RGBA{byte(60 + x), byte(200 - y), 120, 255}
		if (x+y/2)/24%2 == 0 {
			c = color.RGBA{40, 50, byte(60 + y/2), 255}
		}
		large.SetRGBA(x, y, c)
	}
	small := picture.Resize(large, 32, 32, picture.Bicubic)
	out, err := m.Generate(t.Context(), ldm.Request{Condition: ldm.Picture{Image: small}, Seeds: []uint64{1}, Steps: 2})
	if err != nil {
		t.Fatal(err)
	}
	far := func(img *image.RGBA) float64 {
		var sum float64
		for i, v := range large.Pix {
			d := float64(v) - float64(img.Pix[i])
			sum += d * d
		}
		return math.Sqrt(sum / float64(len(large.Pix)))
	}
	made, err := retouch.Consistent(out.Images[0], small, 1) // as ldm upscale does
	if err != nil {
		t.Fatal(err)
	}
	if made.Rect != large.Rect {
		t.Fatalf("%v, want %v", made.Rect, large.Rect)
	}
	if model, bicubic := far(made), far(picture.Resize(small, 128, 128, picture.Bicubic)); model > bicubic {
		t.Errorf("%.2f levels away from the large picture, bicubic %.2f", model, bicubic)
	} else {
		t.Logf("%.2f levels away from the large picture, bicubic %.2f", model, bicubic)
	}
}
