package compare

import (
	"context"
	"errors"
	"image"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/metric/features"
	"github.com/ldm-go/ldm/tensor"
)

// noise are pictures of random colours; every seventh is broken.
func noise(n int, seed uint64, level uint8) Pictures {
	return Pictures{"noise", n, func(_ context.Context, i int) (*image.RGBA, error) {
		if i%7 == 3 {
			return nil, errors.New("broken")
		}
		img := image.NewRGBA(image.Rect(0, 0, 32, 32))
		s := tensor.NewStream(seed, uint64(i))
		for k := range img.Pix {
			img.Pix[k] = uint8(s.IntN(int(level) + 1))
		}
		return img, nil
	}}
}

// TestCompare: a set is at 0 from itself and far from another; broken pictures are
// left out and told of.
func TestCompare(t *testing.T) {
	e, err := features.SqueezeNet(cpu.New(cpu.Options{}), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	failed, done := 0, 0
	progress := Progress{func(n int) { done = n }, func(error) { failed++ }}
	var sets []*Set
	for _, p := range []Pictures{noise(16, 1, 255), noise(16, 2, 90)} {
		s, err := Measure(context.Background(), e, p, progress)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, s)
	}
	if failed != 4 || done != 16 || len(sets[0].Pictures) != 14 || sets[0].Pictures[3] != 4 {
		t.Errorf("%d failed, %d done, %v", failed, done, sets[0].Pictures)
	}
	figures := func(a, b *Set) map[string]float64 {
		list, err := Compare(e, a, b, DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]float64{}
		for _, f := range list {
			out[f.Name] = f.Value
		}
		return out
	}
	same, other := figures(sets[0], sets[0]), figures(sets[0], sets[1])
	if d := same["FID-SqueezeNet"]; d > 1e-6 || same["precision-SqueezeNet"] != 1 || other["FID-SqueezeNet"] < 1 || other["precision-SqueezeNet"] != 0 {
		t.Errorf("same %v, other %v", same, other)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Measure(ctx, e, noise(16, 1, 255), progress); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSpread(t *testing.T) {
	var asked []int
	p := Pictures{"x", 10, func(_ context.Context, i int) (*image.RGBA, error) { asked = append(asked, i); return nil, nil }}
	s := p.Spread(3)
	for i := range s.N {
		s.Image(context.Background(), i)
	}
	if len(asked) != 3 || asked[1] != 3 || asked[2] != 6 || p.Spread(0).N != 10 || p.Spread(20).N != 10 {
		t.Errorf("asked for %v", asked)
	}
}
