package ldm

import (
	"context"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/sampler"
)

// generate makes pictures, which it wants to be possible.
func generate(t *testing.T, m *Model, r Request) *Result {
	t.Helper()
	out, err := m.Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// colourful is a picture of many colours.
func colourful(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = byte(i * i * 7)
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	return img
}

// holed is a mask that is white in its right half.
func holed(w, h int) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, w, h))
	draw.Draw(img, image.Rect(w/2, 0, w, h), image.White, image.Point{}, draw.Src)
	return img
}

// TestPicturesAlone: a picture depends on its condition, its seed and the settings
// alone, not on the others of its request.
func TestPicturesAlone(t *testing.T) {
	m := tinyModel(t)
	all := Each{Class(0), Class(1), Class(2), Class(3), Class(0), Class(1), Class(2), Class(3), Class(2)}
	r := Request{Condition: all, Seeds: Seeds(5, len(all)), Steps: 3, Guidance: 2, Eta: new(.5)}
	together := generate(t, m, r)
	for i := range all {
		r.Condition, r.Seeds = all[i], Seeds(5+uint64(i), 1)
		same(t, "a picture alone", generate(t, m, r).Pixels.F32, together.Pixels.Row(i).F32)
	}
	if _, err := m.Generate(t.Context(), Request{Condition: all, Seeds: Seeds(1, 2)}); !errors.Is(err, ErrInput) {
		t.Errorf("nine conditions for two pictures: error %v", err)
	}
}

// TestConcurrentRequests: requests at the same time, of equal and of other shapes,
// give the bits of single ones.
func TestConcurrentRequests(t *testing.T) {
	m := tinyModel(t)
	var requests []Request
	for i := range 8 {
		r := Request{Condition: Class(i % 4), Seeds: Seeds(uint64(i), 1+i%2), Steps: 3 + i%3, Guidance: 1 + float64(i%3), Eta: new(.3)}
		if i%4 == 3 {
			r.Width, r.Height = 24, 16
		}
		if i == 5 {
			r.Start, r.Mask = colourful(16, 16), holed(16, 16)
		}
		requests = append(requests, r)
	}
	var want [][]float32
	for _, r := range requests {
		want = append(want, generate(t, m, r).Pixels.F32)
	}
	var wg sync.WaitGroup
	for range 2 {
		for i, r := range requests {
			wg.Go(func() {
				r.OnStep = func(s Step) {
					if _, err := s.Preview(t.Context()); err != nil {
						t.Error(err)
					}
				}
				out, err := m.Generate(t.Context(), r)
				if err != nil {
					t.Error(err)
					return
				}
				if !slices.Equal(out.Pixels.F32, want[i]) {
					t.Errorf("request %d gives other bits beside others", i)
				}
			})
		}
	}
	wg.Wait()
}

// TestCancel: a request ends soon with the context's error, also while it waits for
// another one, and the other one goes on.
func TestCancel(t *testing.T) {
	m := tinyModel(t)
	r := Request{Condition: Class(1), Seeds: Seeds(1, 2), Steps: 4, Guidance: 2}
	want := generate(t, m, r).Pixels.F32
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { same(t, "a request beside one that is cancelled", generate(t, m, r).Pixels.F32, want) })
	cancelled := r
	cancelled.Steps, cancelled.Width, cancelled.Height = 500, 128, 128
	var stopped time.Time
	cancelled.OnStep = func(Step) {
		stopped = time.Now()
		cancel()
	}
	_, err := m.Generate(ctx, cancelled)
	if took := time.Since(stopped); !errors.Is(err, context.Canceled) || took > 10*time.Second {
		t.Errorf("error %v, %v after it was cancelled", err, took)
	}
	wg.Wait()
	if _, err := m.Generate(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before it began: error %v", err)
	}
	if _, err := m.stage.Decode(ctx, random(1, 1, 4, 4, 4)); !errors.Is(err, context.Canceled) {
		t.Errorf("a decoder that was cancelled: error %v", err)
	}
}

// TestResolved: the result has the request with the model's defaults in it.
func TestResolved(t *testing.T) {
	m := tinyModel(t)
	r := generate(t, m, Request{Condition: Class(1), Steps: 1}).Request
	if len(r.Seeds) != 1 || r.Width != 16 || r.Height != 16 || r.Guidance != 1 || r.Sampler.Name != "DDIM" || *r.Eta != 0 {
		t.Errorf("resolved as %+v", r)
	}
	again := generate(t, m, r)
	same(t, "the resolved request", again.Pixels.F32, generate(t, m, again.Request).Pixels.F32)
	euler, _, err := sampler.Parse("Euler a")
	if err != nil {
		t.Fatal(err)
	}
	if r := generate(t, m, Request{Condition: Class(1), Steps: 1, Sampler: euler}).Request; *r.Eta != 1 {
		t.Errorf("eta of Euler a: %g, want its default 1", *r.Eta)
	}
	zero := Request{Condition: Class(1), Seeds: Seeds(1, 1), Steps: 3, Sampler: euler, Eta: new(0.0)}
	one := zero
	one.Eta = nil
	if slices.Equal(generate(t, m, zero).Pixels.F32, generate(t, m, one).Pixels.F32) {
		t.Error("eta 0 is taken for the default")
	}
}

// TestRefusals: what cannot be done is refused by its kind, in one line, at once.
func TestRefusals(t *testing.T) {
	m := tinyModel(t)
	start, mask := colourful(16, 16), holed(16, 16)
	plms, _, err := sampler.Parse("PLMS")
	if err != nil {
		t.Fatal(err)
	}
	karras, err := sampler.ParseSchedule("Karras")
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		kind error
		r    Request
	}{
		"need 35 TiB: want at most":                {ErrMemory, Request{Condition: Class(1), Width: 100000000, Height: 8000}},
		"the nearest is 4x16":                      {ErrInput, Request{Condition: Class(1), Width: -5}},
		"the nearest is 20x16":                     {ErrInput, Request{Condition: Class(1), Width: 18}},
		"conditioned on classes":                   {ErrUnsupported, Request{Condition: Prompt("a cat")}},
		"conditioned on classes (Class), not on":   {ErrUnsupported, Request{Condition: Picture{Image: start}}},
		"not on a masked picture":                  {ErrUnsupported, Request{Condition: Masked{Image: start, Mask: mask}}},
		"not on a layout":                          {ErrUnsupported, Request{Condition: Layout{}}},
		"picture 1 has no condition":               {ErrInput, Request{}},
		"class 5: want 0 to 4":                     {ErrInput, Request{Condition: Class(5)}},
		"names no classes":                         {ErrUnsupported, Request{Condition: ClassName("cat")}},
		"2 conditions for 1 pictures":              {ErrInput, Request{Condition: Each{Class(1), Class(2)}}},
		"-1 steps: want 1 to":                      {ErrInput, Request{Condition: Class(1), Steps: -1}},
		"guidance NaN":                             {ErrInput, Request{Condition: Class(1), Guidance: math.NaN()}},
		"guidance -1: want more than 0":            {ErrInput, Request{Condition: Class(1), Guidance: -1}},
		"a negative condition without guidance":    {ErrInput, Request{Condition: Class(1), Negative: Class(2)}},
		"does not edit pictures":                   {ErrUnsupported, Request{Condition: Class(1), PictureGuidance: 2}},
		"rescaling of the guidance 2":              {ErrInput, Request{Condition: Class(1), Rescale: 2}},
		"interval of the guidance 0.5 to 0.2":      {ErrInput, Request{Condition: Class(1), Interval: [2]float64{.5, .2}}},
		"eta -1":                                   {ErrInput, Request{Condition: Class(1), Eta: new(-1.0)}},
		"sampler PLMS has no eta":                  {ErrInput, Request{Condition: Class(1), Sampler: plms, Eta: new(.5)}},
		"PLMS does not go with schedule":           {ErrInput, Request{Condition: Class(1), Sampler: plms, Schedule: karras}},
		"scale of the noise -1":                    {ErrInput, Request{Condition: Class(1), Options: sampler.Options{NoiseScale: -1}}},
		"strength 0.5 wants a start":               {ErrInput, Request{Condition: Class(1), Strength: .5}},
		"a mask wants a start":                     {ErrInput, Request{Condition: Class(1), Mask: mask}},
		"strength 1.5: want more than 0":           {ErrInput, Request{Condition: Class(1), Start: start, Strength: 1.5}},
		"the start has 16x16 pixels: want 32x16":   {ErrInput, Request{Condition: Class(1), Start: start, Width: 32}},
		"the mask has 8x8 pixels: want 16x16":      {ErrInput, Request{Condition: Class(1), Start: start, Mask: holed(8, 8)}},
		"a list of conditions stands where one is": {ErrInput, Request{Condition: Each{Each{Class(1)}}}},
	} {
		begun := time.Now()
		_, err := m.Generate(t.Context(), c.r)
		wantOneLine(t, err, want)
		if !errors.Is(err, c.kind) {
			t.Errorf("%v: not of the kind %q", err, c.kind)
		}
		if errors.Is(err, ErrMemory) && time.Since(begun) > time.Second {
			t.Errorf("%v came after %v", err, time.Since(begun))
		}
	}
	unconditional := tinyModel(t, tinyParams+"cond_stage_config="+config.Unconditional, tinyUNet+"use_spatial_transformer=false", tinyUNet+"context_dim=0")
	for want, r := range map[string]Request{
		"conditioned on nothing": {Condition: Class(1)}, "no empty condition": {Guidance: 2},
	} {
		if _, err := unconditional.Generate(t.Context(), r); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	generate(t, unconditional, Request{Steps: 1})
}

// TestMaskKeepsPixels: where a mask is black the start comes back as it was, bit for
// bit, and elsewhere it does not.
func TestMaskKeepsPixels(t *testing.T) {
	m := tinyModel(t)
	start := colourful(32, 16)
	out := generate(t, m, Request{Condition: Class(1), Seeds: Seeds(3, 2), Start: start, Mask: holed(32, 16), Steps: 3})
	if out.Request.Strength != 1 {
		t.Errorf("strength %g with a mask, want 1", out.Request.Strength)
	}
	for _, img := range out.Images {
		changed := 0
		for i := range 32 * 16 {
			x, y := i%32, i/32
			if r, g, b, _ := img.At(x, y).RGBA(); start.NRGBAAt(x, y) != (color.NRGBA{byte(r >> 8), byte(g >> 8), byte(b >> 8), 255}) {
				if changed++; x < 16 {
					t.Fatalf("pixel %d, %d changed", x, y)
				}
			}
		}
		if changed < 200 {
			t.Errorf("%d pixels are new, want most of 256", changed)
		}
	}
}

// TestStrength: with little strength the start is hardly changed.
func TestStrength(t *testing.T) {
	m := tinyModel(t)
	r := Request{Condition: Class(1), Seeds: Seeds(3, 1), Start: colourful(16, 16), Steps: 20}
	kept := generate(t, m, Request{Condition: r.Condition, Seeds: r.Seeds, Start: r.Start, Steps: 20, Strength: .05})
	steps := 0
	r.OnStep = func(s Step) { steps = s.Total }
	if half := generate(t, m, r); steps != 15 || half.Request.Strength != .75 || slices.Equal(half.Pixels.F32, kept.Pixels.F32) {
		t.Errorf("%d steps at strength %g, want 15 at 0.75", steps, half.Request.Strength)
	}
}
