//go:build linux || darwin

package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// onTerminal runs a command whose standard error is a terminal, and returns what that saw.
func onTerminal(t *testing.T, args ...string) (string, error) {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	defer master.Close()
	var seen bytes.Buffer
	done := make(chan struct{})
	go func() {
		seen.ReadFrom(master) // to the error that a closed terminal is
		close(done)
	}()
	before := os.Stderr
	os.Stderr = tty
	err = ldmCommand(args...)
	os.Stderr = before
	tty.Close()
	<-done
	return seen.String(), err
}

// withTerminal sets the names that terminals are known by.
func withTerminal(t *testing.T, term, program string) {
	t.Setenv("TERM", term)
	t.Setenv("TERM_PROGRAM", program)
	t.Setenv("KITTY_WINDOW_ID", "")
	t.Setenv("LC_TERMINAL", "")
}

var (
	kittyForm = regexp.MustCompile(`(?s)\x1b_G([^;\x1b]*);?([A-Za-z0-9+/=]*)\x1b\\`)
	itermForm = regexp.MustCompile(`\x1b\]1337;File=([^:]*):([A-Za-z0-9+/=]+)\x07`)
	sixelForm = regexp.MustCompile(`(?s)\x1bP0;1(?:;0)?q(.*?)\x1b\\`)
)

// previews decodes the pictures that a terminal was sent.
func previews(t *testing.T, kind, seen string) (list []image.Image) {
	t.Helper()
	decoded := func(text string) []byte {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	add := func(img image.Image, err error) {
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		list = append(list, img)
	}
	switch kind {
	case "kitty":
		data := ""
		for _, m := range kittyForm.FindAllStringSubmatch(seen, -1) {
			if data == "" && (!strings.Contains(m[1], "a=T") || !strings.Contains(m[1], "f=100") || !strings.Contains(m[1], "q=2")) {
				t.Fatalf("kitty: a picture begins with %q", m[1])
			}
			if len(m[2]) > 4096 {
				t.Errorf("kitty: a piece of %d bytes: want at most 4096", len(m[2]))
			}
			if data += m[2]; !strings.Contains(m[1], "m=1") {
				add(png.Decode(bytes.NewReader(decoded(data))))
				data = ""
			}
		}
	case "iterm2":
		for _, m := range itermForm.FindAllStringSubmatch(seen, -1) {
			raw := decoded(m[2])
			if !strings.Contains(m[1], "inline=1") || !strings.Contains(m[1], "size="+strconv.Itoa(len(raw))) {
				t.Errorf("iterm2: %q for %d bytes", m[1], len(raw))
			}
			add(png.Decode(bytes.NewReader(raw)))
		}
	case "sixel":
		for _, m := range sixelForm.FindAllStringSubmatch(seen, -1) {
			add(decodeSixel(m[1]))
		}
	}
	return list
}

var sixelToken = regexp.MustCompile(`"1;1;(\d+);(\d+)|#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)([?-~])|([?-~])|[$-]|[\r\n]|.`)

// decodeSixel reads what follows the q of a picture in the codes of DEC's VT340: its size,
// colours in percent, and bands of six rows, each in one colour after the other.
func decodeSixel(text string) (image.Image, error) {
	var img *image.NRGBA
	colours := map[string]color.NRGBA{}
	var colour color.NRGBA
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	x, y := 0, 0
	paint := func(bits byte, n int) {
		for row := range 6 {
			for k := range n {
				if (bits-'?')>>row&1 == 1 {
					img.SetNRGBA(x+k, y+row, colour)
				}
			}
		}
		x += n
	}
	for _, m := range sixelToken.FindAllStringSubmatch(text, -1) {
		switch {
		case m[1] != "":
			img = image.NewNRGBA(image.Rect(0, 0, number(m[1]), number(m[2])))
		case img == nil:
			return nil, errors.New("a sixel picture without a size")
		case m[3] != "":
			if m[4] != "" {
				part := func(s string) uint8 { return uint8((number(s)*255 + 50) / 100) }
				colours[m[3]] = color.NRGBA{part(m[4]), part(m[5]), part(m[6]), 255}
			}
			colour = colours[m[3]]
		case m[7] != "":
			paint(m[8][0], number(m[7]))
		case m[9] != "":
			paint(m[9][0], 1)
		case m[0] == "$":
			x = 0
		case m[0] == "-":
			x, y = 0, y+6
		case m[0] != "\r" && m[0] != "\n":
			return nil, fmt.Errorf("%q in a sixel picture", m[0])
		}
	}
	return img, nil
}

// mean is a picture's mean colour.
func mean(img image.Image) (sum [3]float64) {
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			for i, v := range []uint8{c.R, c.G, c.B} {
				sum[i] += float64(v) / float64(b.Dx()*b.Dy())
			}
		}
	}
	return sum
}

// TestPreviewOnTerminals: each kind of terminal is sent pictures in its own codes, which
// show what a file of the same preview shows.
func TestPreviewOnTerminals(t *testing.T) {
	if testing.Short() {
		t.Skip("draws on three kinds of terminal")
	}
	dir := t.TempDir()
	withTerminal(t, "xterm-256color", "")
	file := filepath.Join(dir, "preview.png")
	printed(t, append(quick("txt2img", "a red apple", "--seed", "3"), "--preview", file, "-o", filepath.Join(dir, "file.png"))...)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"kitty", "iterm2", "sixel"} {
		seen, err := onTerminal(t, append(quick("txt2img", "a red apple", "--seed", "3"), "--preview", kind, "-o", filepath.Join(dir, kind+".png"))...)
		if err != nil {
			t.Fatal(err)
		}
		shown := previews(t, kind, seen)
		if len(shown) == 0 {
			t.Errorf("%s: no picture in %d bytes", kind, len(seen))
			continue
		}
		last := shown[len(shown)-1]
		if b := last.Bounds(); b.Dx() != want.Bounds().Dx() || b.Dy() != want.Bounds().Dy() {
			t.Errorf("%s: a picture of %v, want %v", kind, b, want.Bounds())
		}
		got, want := mean(last), mean(want)
		for i := range got {
			if d := got[i] - want[i]; d > 6 || d < -6 {
				t.Errorf("%s: a mean colour of %.0f, want %.0f", kind, got, want)
				break
			}
		}
	}
}

// TestTerminalsByName: auto takes what the terminal is known for, and says so where it is
// known for nothing.
func TestTerminalsByName(t *testing.T) {
	for _, c := range []struct{ term, program, want string }{
		{"xterm-kitty", "", "kitty"}, {"xterm", "ghostty", "kitty"}, {"xterm-256color", "iTerm.app", "iterm2"},
		{"xterm-256color", "WezTerm", "iterm2"}, {"foot", "", "sixel"}, {"xterm-sixel", "", "sixel"},
	} {
		withTerminal(t, c.term, c.program)
		if got := thisTerminal(); got != c.want {
			t.Errorf("TERM %s, TERM_PROGRAM %s: %q, want %q", c.term, c.program, got, c.want)
		}
	}
	withTerminal(t, "dumb", "")
	_, err := onTerminal(t, append(quick("txt2img", "x"), "--preview", "auto", "-o", filepath.Join(t.TempDir(), "x.png"))...)
	if err == nil || !strings.Contains(err.Error(), "want kitty, iterm2 or sixel, or a file") {
		t.Errorf("a terminal without pictures: %v", err)
	}
}
