package fetch

import (
	"context"
	"fmt"
	"image"
	"os"
	"runtime"
	"sync"

	"github.com/ldm-go/ldm/data/files"
	"github.com/ldm-go/ldm/picture"
)

// Conversion is a picture to be read, and the file that it becomes.
type Conversion struct {
	From files.File
	To   string
}

// Convert decodes pictures, changes them and writes them, on all processors. The
// folders must exist; the files are part of a folder that appears when it is
// whole, so each is not flushed to the disk by itself.
func Convert(ctx context.Context, list []Conversion, change func(*image.NRGBA) image.Image, o picture.Options, progress func(done, total int)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	jobs := make(chan Conversion)
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for c := range jobs {
				if err := c.do(change, o); err != nil {
					stop(err)
					continue
				}
				mu.Lock()
				if done++; progress != nil {
					progress(done, len(list))
				}
				mu.Unlock()
			}
		})
	}
	for _, c := range list {
		if ctx.Err() != nil {
			break
		}
		jobs <- c
	}
	close(jobs)
	wg.Wait()
	return context.Cause(ctx)
}

func (c Conversion) do(change func(*image.NRGBA) image.Image, o picture.Options) error {
	raw, err := c.From.Read(1 << 30)
	if err != nil {
		return err
	}
	img, err := picture.DecodeBytes(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", c.From.Path(), err)
	}
	f, err := picture.OutputFormat(c.To)
	if err != nil {
		return err
	}
	out, err := picture.Encode(change(img), f, o)
	if err != nil {
		return err
	}
	return os.WriteFile(c.To, out, 0o666)
}
