package stock_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"testing"

	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/intake"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/stock"
	"github.com/ldm-go/ldm/serve/store"
	"github.com/ldm-go/ldm/serve/store/sqlite"
	"github.com/ldm-go/ldm/serve/worker"
)

func encoded(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestStart: every field of a job that begins with a picture has its effect: the
// pictures of all differ, and what a mask keeps comes back bit for bit.
func TestStart(t *testing.T) {
	if testing.Short() {
		t.Skip("starts several models")
	}
	s, err := stock.Open(stock.Options{Box: true, Version: "ldm test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := s.List()[0]
	db, err := sqlite.Open(t.TempDir(), 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := &worker.Worker{
		Name: "w", Store: db, Blobs: &store.Files{Dir: t.TempDir()}, Bus: bus.Bus{Transport: &bus.Local{}}, Runner: s,
		Alive: func(string) bool { return true }, Log: slog.New(slog.DiscardHandler), MaxRows: 4,
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go w.Run(ctx)
	const side = 96
	img, mask := image.NewRGBA(image.Rect(0, 0, side, side/2)), image.NewGray(image.Rect(0, 0, side, side/2))
	for i := range side * side / 2 {
		x, y := i%side, i/side
		img.Set(x, y, color.RGBA{byte(2 * x), byte(4 * y), 90, 255})
		if x < 32 && y < 32 {
			mask.Set(x, y, color.White)
		}
	}
	start, hole := encoded(t, img), encoded(t, mask)
	seen := map[string]string{}
	steps := int64(4) // of two, strengths of 0 and 0.75 leave the same one
	make := func(name string, in intake.Input) image.Image {
		in.Prompt, in.Seed, in.Steps, in.InitImage = "a red apple", ptr[int64](3), ptr(steps), start
		j := put(ctx, t, w, m, in)
		wait(t, w, j)
		raw, err := w.Blobs.Get(ctx, j, worker.BlobName(0))
		if err != nil {
			t.Fatal(err)
		}
		out, err := png.Decode(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		key := string(pixels(t, raw))
		if other, same := seen[key]; same {
			t.Errorf("%s and %s give one picture", name, other)
		}
		seen[key] = name
		return out
	}
	for _, mode := range []job.ResizeMode{job.Stretch, job.Crop, job.Pad, job.Latent} {
		make("resize "+string(mode), intake.Input{Resize: mode})
	}
	make("no strength", intake.Input{Strength: ptr(0.)})
	for _, fill := range []job.Fill{job.FillOriginal, job.FillBlur, job.FillNoise, job.FillZeros} {
		make("fill "+string(fill), intake.Input{Mask: hole, Fill: fill})
	}
	make("blur", intake.Input{Mask: hole, MaskBlur: ptr(4.)})
	make("blur along x", intake.Input{Mask: hole, MaskBlur: ptr(4.), MaskBlurY: ptr(0.)})
	make("padding", intake.Input{Mask: hole, FullRes: true, FullResPadding: ptr[int64](16)})
	part := make("masked part", intake.Input{Mask: hole, FullRes: true})
	if part.Bounds() != img.Bounds() {
		t.Fatalf("the picture with its part made anew has %v", part.Bounds())
	}
	for i := range side * side / 2 {
		x, y := i%side, i/side
		r, g, b, _ := part.At(x, y).RGBA()
		if want := img.RGBAAt(x, y); (x >= 32 || y >= 32) && (byte(r>>8) != want.R || byte(g>>8) != want.G || byte(b>>8) != want.B) {
			t.Fatalf("the pixel at %d, %d has changed", x, y)
		}
	}
}

// put hands a job with its pictures in.
func put(ctx context.Context, t *testing.T, w *worker.Worker, m catalog.Model, in intake.Input) string {
	t.Helper()
	c := intake.Checker{Limits: intake.DefaultLimits, Samplers: samplers}
	j, blobs, err := c.Job(m, in)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range blobs {
		if err := w.Blobs.Put(ctx, j.ID, name, data); err != nil {
			t.Fatal(err)
		}
	}
	if j, err = w.Store.Accept(ctx, j); err != nil {
		t.Fatal(err)
	}
	return j.ID
}
