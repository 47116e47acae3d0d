package train

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
)

// Keys of the random streams, so that draws for different purposes differ.
const (
	drawPosterior = iota + 1
	drawTimestep
	drawNoise
	drawDropout
	drawValidation
	drawSample
)

// start makes the run's folder and runs the loop in it.
func start(ctx context.Context, dir string, cfg any, l *loop, eng engine.Engine, line func(string)) error {
	text, err := config.Dump(cfg)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	l.dir, l.config = dir, text
	err = checkpoint.Atomic(filepath.Join(dir, ConfigFile), func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
	if err != nil {
		return err
	}
	if l.out, err = openLog(dir, line); err != nil {
		return err
	}
	count := 0
	for _, w := range l.stage.weights() {
		count += w.Shape.Size()
	}
	line(fmt.Sprintf("%.1f M parameters to train in %s", float64(count)/1e6, dir))
	return l.run(ctx, eng)
}
