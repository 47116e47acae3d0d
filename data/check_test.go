package data

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/fault"
)

func TestCheck(t *testing.T) {
	var again bytes.Buffer
	jpeg.Encode(&again, ramp(200, 100), &jpeg.Options{Quality: 80})
	flipped := ramp(200, 100)
	for i := range flipped.Pix {
		flipped.Pix[i] ^= 255 * byte((i%4/3)^1)
	}
	dir := lay(t, map[string]string{
		"train/cat/a.png": encode(ramp(200, 100)), "train/cat/b.png": encode(ramp(200, 100)), "train/dog/c.jpg": again.String(),
		"train/dog/d.png": encode(flipped), "train/dog/e.png": tiny[:len(tiny)-20], "train/dog/notes.md": "", "train/dog/.DS_Store": "",
		"validation/cat/v.png": encode(ramp(200, 100)), "validation/cat/w.png": encode(image.NewGray(image.Rect(0, 0, 30, 90))),
	})
	n := 0
	r, err := Check(context.Background(), dir, CheckOptions{Progress: func(done, _ int) {
		if n++; done != n {
			t.Errorf("picture %d is counted as %d", n, done)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if n != 7 || len(r.Splits) != 2 {
		t.Fatalf("%d pictures in %d splits", n, len(r.Splits))
	}
	c := r.Splits[0]
	if len(c.Duplicates) != 1 || len(c.Duplicates[0]) != 3 || len(c.Broken) != 1 || !strings.Contains(c.Broken[0], "e.png") {
		t.Errorf("duplicates %v, broken %v", c.Duplicates, c.Broken)
	}
	if c.Classes["cat"] != 2 || c.Classes["dog"] != 3 || c.Summary.UnusedCount != 1 || c.Summary.Hidden == 0 {
		t.Errorf("%+v", c)
	}
	if len(r.Leaks) != 1 || len(r.Leaks[0]) != 4 {
		t.Errorf("leaks %v", r.Leaks)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Split train", "pictures     5 (.png 4, .jpg 1)", "classes      2: dog 3, cat 2", "broken       1", "duplicates   1", "several splits: 1"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	r.Splits[0].Broken = append(r.Splits[0].Broken, "x")
	if err := r.Err(); !errors.Is(err, fault.File) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Check(ctx, dir, CheckOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestCheckCompanions(t *testing.T) {
	dir := lay(t, map[string]string{
		"images/a.png": encode(ramp(20, 10)), "labels/a.png": encode(image.NewGray(image.Rect(0, 0, 10, 10))),
		"images/b.png": encode(ramp(20, 10)), "labels/b.png": encode(image.NewGray(image.Rect(0, 0, 40, 20))),
	})
	r, err := Check(context.Background(), dir, CheckOptions{})
	if err != nil || len(r.Splits[0].Odd) != 1 || !strings.Contains(r.Splits[0].Odd[0], "proportions") {
		t.Errorf("%+v, %v", r, err)
	}
}
