package stock_test

import (
	"bytes"
	"context"
	"image/png"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/intake"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/stock"
	"github.com/ldm-go/ldm/serve/store"
	"github.com/ldm-go/ldm/serve/store/sqlite"
	"github.com/ldm-go/ldm/serve/worker"
	"github.com/ldm-go/ldm/weights/emoji"
)

// samplers is how a server checks names.
func samplers(name, schedule string) (intake.Sampling, error) {
	m, s, err := sampler.Parse(name)
	if err == nil && schedule != "" {
		s, err = sampler.ParseSchedule(schedule)
	}
	return intake.Sampling{Sampler: m.Or().Name, Schedule: s.Name, UsesEta: m.Or().UsesEta}, err
}

// TestBox: the model in the program makes the same picture alone and beside
// others, says what it is, and hands previews and settings out.
func TestBox(t *testing.T) {
	s, err := stock.Open(stock.Options{Box: true, Text: true, Version: "ldm test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := s.List()[0]
	if m.ID != "emoji" || m.Width != 64 || m.Unit%8 != 0 || len(m.SHA256) != 64 || !m.Can(job.TextToImage) || s.Loaded("emoji") {
		t.Errorf("%+v", m)
	}
	db, err := sqlite.Open(t.TempDir(), 10, nil)
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
	first := accept(t, w, m, intake.Input{Prompt: "a red apple", Seed: ptr[int64](8), Steps: ptr[int64](4), PreviewEvery: ptr[int64](1)})
	batch := accept(t, w, m, intake.Input{Prompt: "a red apple", Seed: ptr[int64](7), N: ptr[int64](2), Steps: ptr[int64](4), PreviewEvery: ptr[int64](2)})
	previews, unwanted := 0, 0
	w.Bus.Follow(ctx, batch, func(e bus.Event) {
		if e.Preview != nil {
			previews++
		}
		if e.Kind == bus.KindStatus && *e.Status == job.Running {
			w.Bus.Send(batch, bus.Event{Kind: bus.KindLook})
		}
	})
	w.Bus.Follow(ctx, first, func(e bus.Event) {
		if e.Preview != nil {
			unwanted++
		}
	})
	go w.Run(ctx)
	a, b := wait(t, w, first), wait(t, w, batch)
	alone, _ := w.Blobs.Get(ctx, first, worker.BlobName(0))
	second, _ := w.Blobs.Get(ctx, batch, worker.BlobName(1))
	if x, y := pixels(t, alone), pixels(t, second); !bytes.Equal(x, y) {
		t.Error("seed 8 alone and as the second of a batch differ")
	}
	if len(b.Images) != 2 || !strings.Contains(b.Images[1].Infotext, "Seed: 8, Size: 64x64, Model hash: "+m.Hash()+", Model: emoji") {
		t.Errorf("%+v", b.Images)
	}
	if !bytes.Contains(alone, []byte("parameters\x00a red apple\nSteps: 4, Sampler: DDIM")) {
		t.Errorf("the settings are not in the PNG; text %q", a.Images[0].Infotext)
	}
	if strings.Join(a.Warnings, "") != "" {
		t.Errorf("warnings %v", a.Warnings)
	}
	long := wait(t, w, accept(t, w, m, intake.Input{Prompt: strings.Repeat("red apple ", 300), Steps: ptr[int64](1)}))
	if !strings.Contains(strings.Join(long.Warnings, " "), "cut") {
		t.Errorf("nothing is said of a text that is cut: %v", long.Warnings)
	}
	if previews != 2 || unwanted > 0 {
		t.Errorf("%d previews, want one for each picture; %d that nobody looked at", previews, unwanted)
	}
}

func ptr[T any](v T) *T { return &v }

func accept(t *testing.T, w *worker.Worker, m catalog.Model, in intake.Input) string {
	t.Helper()
	c := intake.Checker{Limits: intake.DefaultLimits, Samplers: samplers}
	j, _, err := c.Job(m, in)
	if err == nil {
		j, err = w.Store.Accept(context.Background(), j)
	}
	if err != nil {
		t.Fatal(err)
	}
	return j.ID
}

func wait(t *testing.T, w *worker.Worker, id string) job.Job {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		j, err := w.Store.Get(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		if j.Status == job.Succeeded {
			return j
		}
		if j.Status.Final() || time.Now().After(end) {
			t.Fatalf("the job is %s: %+v", j.Status, j.Error)
		}
	}
}

func pixels(t *testing.T, data []byte) []byte {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			out = append(out, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return out
}

// TestUnload: of two models only one fits; the other is unloaded when it is wanted,
// and what is no model is left out.
func TestUnload(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.safetensors", "b.safetensors"} {
		if err := os.WriteFile(filepath.Join(dir, name), emoji.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "c.safetensors"), []byte("nothing"), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := stock.Open(stock.Options{Folder: dir, Cache: filepath.Join(dir, "hashes"), MaxMemory: 100 << 20, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if list := s.List(); len(list) != 2 || list[0].SHA256 != list[1].SHA256 || list[0].Bytes < 50<<20 {
		t.Fatalf("%+v", list)
	}
	db, err := sqlite.Open(t.TempDir(), 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := &worker.Worker{
		Name: "w", Store: db, Blobs: &store.Files{Dir: t.TempDir()}, Bus: bus.Bus{Transport: &bus.Local{}}, Runner: s,
		Alive: func(string) bool { return true }, Log: slog.New(slog.DiscardHandler), MaxRows: 1,
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go w.Run(ctx)
	order := []string{"a", "b", "a"}
	if testing.Short() {
		order = order[:2]
	}
	for i, want := range order {
		m, _ := catalog.Find(s.List(), want)
		wait(t, w, accept(t, w, m, intake.Input{Prompt: "x", Steps: ptr[int64](1)}))
		other := map[string]string{"a": "b", "b": "a"}[want]
		if !s.Loaded(want) || s.Loaded(other) {
			t.Errorf("after job %d: a loaded %v, b loaded %v", i, s.Loaded("a"), s.Loaded("b"))
		}
	}
}
