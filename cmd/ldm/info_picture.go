package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/container"
	"github.com/ldm-go/ldm/picture/metadata"
)

// isPicture goes by the first bytes of a file.
func isPicture(path string) bool {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 12)
	n, _ := io.ReadFull(f, head)
	return container.Detect(head[:n]) != container.Unknown
}

// picture says how a picture was made, as far as its file does.
func (r *report) picture(path string) error {
	w, h, err := picture.Size(path)
	if err != nil {
		return err
	}
	s, err := metadata.Read(path)
	if err != nil {
		return err
	}
	r.line("picture", "%dx%d pixels", w, h)
	if s.Program == "" {
		r.line("settings", "none: the file does not say how it was made")
		return nil
	}
	text := func(name, value string) {
		if value != "" {
			r.line(name, "%s", strings.ReplaceAll(printable(value), "\n", "\n"+strings.Repeat(" ", 15)))
		}
	}
	whole := func(name string, v int) {
		if v != 0 {
			r.line(name, "%d", v)
		}
	}
	number := func(name string, v *float64) {
		if v != nil {
			r.line(name, "%s", strconv.FormatFloat(*v, 'g', -1, 64))
		}
	}
	text("made with", strings.TrimSpace(s.Program+" "+s.Version))
	text("prompt", s.Prompt)
	text("negative", s.Negative)
	whole("steps", s.Steps)
	text("sampler", s.Sampler)
	text("schedule", s.Schedule)
	number("cfg scale", s.Guidance)
	if s.Seed != nil {
		r.line("seed", "%d", *s.Seed)
	}
	if s.Width != 0 && s.Height != 0 {
		r.line("size", "%dx%d", s.Width, s.Height)
	}
	text("model", s.Model)
	text("model hash", s.Hash)
	number("strength", s.Strength)
	number("eta", s.Eta)
	whole("clip skip", s.ClipSkip)
	for _, line := range s.Left {
		text("also", line)
	}
	return nil
}

// printable takes out what would command a terminal.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\n' {
			return -1
		}
		return c
	}, text)
}
