package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"image"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/ansi/iterm2"
	"github.com/charmbracelet/x/ansi/kitty"
	"github.com/charmbracelet/x/ansi/sixel"
	"golang.org/x/term"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/container"
)

// terminals draw pictures, each in a way of its own.
var terminals = []string{"auto", "kitty", "iterm2", "sixel"}

// checkPreview refuses what --preview cannot show.
func checkPreview(to string) error {
	switch {
	case to == "":
		return nil
	case !slices.Contains(terminals, to):
		return picture.CheckOutput(to)
	case !term.IsTerminal(int(os.Stderr.Fd())):
		return fault.Inputf("--preview %s: standard error is no terminal; want a file", to)
	case to == "auto" && thisTerminal() == "":
		return fault.Inputf("--preview auto: this terminal is not known to show pictures; want kitty, iterm2 or sixel, or a file")
	}
	return nil
}

// thisTerminal is how the terminal takes pictures, by its name.
func thisTerminal() string {
	name, program := os.Getenv("TERM"), os.Getenv("TERM_PROGRAM")
	switch {
	case strings.Contains(name, "kitty") || os.Getenv("KITTY_WINDOW_ID") != "" || program == "ghostty":
		return "kitty"
	case program == "iTerm.app" || program == "WezTerm" || program == "vscode" || os.Getenv("LC_TERMINAL") == "iTerm2":
		return "iterm2"
	case strings.Contains(name, "sixel") || strings.HasPrefix(name, "foot") || strings.HasPrefix(name, "mlterm") || strings.HasPrefix(name, "contour"):
		return "sixel"
	}
	return ""
}

const previewEvery = time.Second

// show is what a person sees of a run: one meter over the steps of all pictures,
// and the first of those in work as it forms.
type show struct {
	ctx     context.Context
	meter   *meter
	total   int // pictures
	preview string
	next    time.Time
}

func newShow(ctx context.Context, preview string, total int) *show {
	if preview == "auto" {
		preview = thisTerminal()
	}
	return &show{ctx: ctx, preview: preview, total: total}
}

// step follows a request for some of the pictures.
func (s *show) step(first, n int) func(ldm.Step) {
	return func(step ldm.Step) {
		all := step.Total * s.total / max(n, 1)
		if s.meter == nil {
			s.meter = newMeter("sampling", max(all, 1), "steps")
			s.meter.from = float64(step.Done) // the first step has the time of getting ready in it
		}
		s.meter.Set(float64(step.Total*first/max(n, 1) + step.Done))
		if s.preview == "" || time.Now().Before(s.next) && step.Done < step.Total {
			return
		}
		s.next = time.Now().Add(previewEvery)
		if images, err := step.Preview(s.ctx); err == nil {
			s.picture(images[0])
		}
	}
}

// part follows a request of one picture, the one of a number.
func (s *show) part(number int) func(ldm.Step) { return s.step(number, 1) }

// picture shows a small picture, enlarged. A preview that fails is none.
func (s *show) picture(small image.Image) {
	rgba := picture.OnWhite(small)
	factor := max(256/max(rgba.Rect.Dx(), rgba.Rect.Dy(), 1), 1)
	img := picture.Resize(rgba, rgba.Rect.Dx()*factor, rgba.Rect.Dy()*factor, picture.Bicubic)
	if !slices.Contains(terminals, s.preview) {
		picture.Save(s.preview, img, picture.Options{})
		return
	}
	if text := drawn(s.preview, img); text != "" {
		s.meter.line(text)
	}
}

// drawn is a picture in the codes of a kind of terminal.
func drawn(terminal string, img image.Image) string {
	var b bytes.Buffer
	switch terminal {
	case "kitty":
		err := kitty.EncodeGraphics(&b, img, &kitty.Options{Action: kitty.TransmitAndPut, Transmission: kitty.Direct, Format: kitty.PNG, Chunk: true, Quiet: 2})
		if err != nil {
			return ""
		}
	case "iterm2":
		raw, err := picture.Encode(img, container.PNG, picture.Options{})
		if err != nil {
			return ""
		}
		b.WriteString(ansi.ITerm2(iterm2.File{Inline: true, Size: int64(len(raw)), Content: []byte(base64.StdEncoding.EncodeToString(raw))}))
	case "sixel":
		var payload bytes.Buffer
		if (&sixel.Encoder{}).Encode(&payload, img) != nil {
			return ""
		}
		b.WriteString(ansi.SixelGraphics(0, 1, 0, payload.Bytes()))
	}
	return b.String()
}

// Print writes a line of a result.
func (s *show) Print(w io.Writer, text string) error {
	if s.meter == nil {
		s.meter = newMeter("sampling", 1, "steps")
	}
	return s.meter.Print(w, text)
}

// Close takes the bar away.
func (s *show) Close() {
	if s.meter != nil {
		s.meter.Close()
	}
}
