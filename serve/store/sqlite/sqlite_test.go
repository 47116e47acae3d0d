package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/store"
	"github.com/ldm-go/ldm/serve/store/sqlite"
	"github.com/ldm-go/ldm/serve/store/storetest"
)

func open(t *testing.T, dir string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(dir, storetest.Limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "a?b#c%20 ü")) })
}

func TestFiles(t *testing.T) { storetest.RunBlobs(t, &store.Files{Dir: t.TempDir()}) }

// TestReopen: what was accepted is there after a restart; what ran waits again,
// and what a client waited for is cancelled.
func TestReopen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	waiting, running, attached := storetest.New("k"), storetest.New("k"), storetest.New("k")
	attached.Attached = "me"
	for _, j := range []job.Job{waiting, running, attached} {
		if _, err := s.Accept(ctx, j); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Claim(ctx, running.ID, "w", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(dir, 5, nil); err == nil || !strings.Contains(err.Error(), "in use by another server") {
		t.Errorf("a second server in the folder: error %v", err)
	}
	s.Close()
	s = open(t, dir)
	for id, want := range map[string]job.Status{waiting.ID: job.Queued, running.ID: job.Queued, attached.ID: job.Cancelled} {
		if j, err := s.Get(ctx, id); err != nil || j.Status != want {
			t.Errorf("after a restart %s, error %v; want %s", j.Status, err, want)
		}
	}
}

// TestLostPictures: a job that ended last, and whose picture is gone with the power, is
// made again; one whose client has its answer is not.
func TestLostPictures(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	ctx := context.Background()
	whole, torn, attached := storetest.New("k"), storetest.New("k"), storetest.New("k")
	attached.Attached = "me"
	for _, j := range []job.Job{whole, torn, attached} {
		if _, err := s.Accept(ctx, j); err != nil {
			t.Fatal(err)
		}
		j, err := s.Claim(ctx, j.ID, "w", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		j.Status, j.Finished, j.Images = job.Succeeded, time.Now().UTC(), []job.Image{{SHA256: "x"}}
		if err := s.Save(ctx, j); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	s, err := sqlite.Open(dir, 5, func(_ context.Context, j job.Job) bool { return j.ID == whole.ID })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for id, want := range map[string]job.Status{whole.ID: job.Succeeded, torn.ID: job.Queued, attached.ID: job.Cancelled} {
		if j, err := s.Get(ctx, id); err != nil || j.Status != want || len(j.Images) > 0 != (id == whole.ID) {
			t.Errorf("after a loss of power %s with %d pictures, error %v; want %s", j.Status, len(j.Images), err, want)
		}
	}
}

// TestSweep: ended jobs go when they are old or the pictures are too many, and
// so do pictures without a job.
func TestSweep(t *testing.T) {
	ctx := context.Background()
	s, b := open(t, t.TempDir()), &store.Files{Dir: t.TempDir()}
	var ids []string
	for range 4 {
		j := storetest.New("k")
		time.Sleep(2 * time.Millisecond) // ids sort by milliseconds
		if _, err := s.Accept(ctx, j); err != nil {
			t.Fatal(err)
		}
		if err := b.Put(ctx, j.ID, "0.png", make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, j.ID)
	}
	for _, id := range ids[:3] {
		if _, err := s.Cancel(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	lost := job.NewID(time.Now().Add(-time.Hour))
	if err := b.Put(ctx, lost, "0.png", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := store.Sweep(ctx, s, b, time.Now().Add(-time.Minute), 3000); err != nil {
		t.Fatal(err)
	}
	sizes, _ := b.Sizes(ctx)
	if len(sizes) != 2 || sizes[ids[2]] != 1000 || sizes[ids[3]] != 1000 {
		t.Errorf("left are %v of %v", sizes, ids)
	}
	if err := store.Sweep(ctx, s, b, time.Now().Add(time.Minute), 3000); err != nil {
		t.Fatal(err)
	}
	if jobs, _, _ := s.List(ctx, store.Query{AnyKey: true}); len(jobs) != 1 || jobs[0].ID != ids[3] {
		t.Errorf("left are %v: want the one that waits", jobs)
	}
	for _, name := range []string{"../x", "", ".tmp", `a\b`} {
		if err := b.Put(ctx, ids[3], name, nil); err == nil {
			t.Errorf("blob %q was written", name)
		}
	}
	if _, err := os.Stat(filepath.Join(b.Dir, ids[0])); err == nil {
		t.Error("a folder was left")
	}
}
