package main

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"image/color"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/retouch"
)

func semantic() *cobra.Command {
	var f inputFlags
	var palette string
	cmd := &cobra.Command{
		Use:   "semantic MAP -m MODEL",
		Short: "Make a picture of a map of labels",
		Long: `Makes a picture of a map that says of every pixel what is there: a PNG with a palette
or in grey, whose numbers are the model's labels, or in colours, of which --palette says
what labels they are: a text with a colour a line (#rrggbb or three numbers, with a name
behind if you like), or a PNG with a palette. The picture gets the map's size, which may
be another than that of training, or that of -W and -H.`,
		Example: "  ldm semantic map.png -m semantic_synthesis256/model.ckpt\n" +
			"  ldm semantic painted.png --palette colours.txt -m landscapes.ckpt -W 1024 -H 512",
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.checkInput(cmd, args); err != nil {
				return err
			}
			if f.model.path == "" {
				return fault.Inputf("which model? want --model FILE of semantic synthesis; the emoji model in this program is one of texts")
			}
			labels, err := readLabels(f.image, palette)
			if err != nil {
				return err
			}
			return f.run(cmd, func(m *ldm.Model, r *ldm.Request) ([]finish, error) {
				if m.Network().Kind != model.RescaledMap {
					return nil, fault.Unsupportedf("this model makes no pictures of maps: want one with a SpatialRescaler of labels")
				}
				return f.mapped(m, r, labels)
			})
		},
	}
	f.register(cmd)
	f.input("palette")
	cmd.Flags().StringVar(&palette, "palette", "", "which colour is which label: a text with a colour a line, or a PNG with a palette")
	cmd.Flags().MarkHidden("fit") // is done anyway
	return cmd
}

// mapped makes the request for a map, which goes on at its edges as far as the model
// wants.
func (f *inputFlags) mapped(m *ldm.Model, r *ldm.Request, l *picture.Labels) ([]finish, error) {
	unit := unitOf(m)
	w, h := m.Network().ConditionSize(unit, unit)
	size := f.size(image.Rect(0, 0, l.Width*unit/max(w, 1), l.Height*unit/max(h, 1)))
	legal := image.Pt(up(size.X, unit), up(size.Y, unit))
	r.Width, r.Height = legal.X, legal.Y
	w, h = m.Network().ConditionSize(legal.X, legal.Y)
	window := picture.Window{X1: float64(l.Width) * float64(legal.X) / float64(size.X), Y1: float64(l.Height) * float64(legal.Y) / float64(size.Y)}
	l = l.Resize(w, h, window)
	img := image.NewGray16(image.Rect(0, 0, w, h))
	for i, v := range l.Index {
		if most := m.Network().PictureChannels(); int(v) >= most {
			return nil, fault.Inputf("%s: there is label %d; the model has 0 to %d", f.image, v, most-1)
		}
		img.SetGray16(i%w, i/w, color.Gray16{Y: uint16(v)})
	}
	r.Condition = ldm.Picture{Image: img}
	cut := func(made image.Image, _ uint64) (image.Image, error) {
		return retouch.Crop(made, image.Rect(0, 0, size.X, size.Y)), nil
	}
	return []finish{cut}, nil
}

// readLabels reads a map, whose colours become labels by a palette.
func readLabels(path, palette string) (*picture.Labels, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.As(fault.File, err)
	}
	l, err := picture.DecodeLabels(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	colours := l.Colors
	if palette == "" {
		if len(colours) > 0 {
			return nil, fault.Inputf("%s has %d colours, and nothing says which is which label: want --palette, or a PNG with a palette or in grey", path, len(colours))
		}
		return l, nil
	}
	if len(colours) == 0 {
		colours = l.Palette
	}
	if len(colours) == 0 {
		return nil, fault.Inputf("--palette %s: %s is in grey, whose values are labels already", palette, path)
	}
	known, err := readPalette(palette)
	if err != nil {
		return nil, err
	}
	for i, v := range l.Index {
		label, ok := known[colours[v]]
		if !ok {
			c := colours[v]
			return nil, fault.Inputf("%s: the pixel at %d, %d has the colour #%02x%02x%02x, which %s has no label for", path, i%l.Width, i/l.Width, c.R, c.G, c.B, palette)
		}
		l.Index[i] = label
	}
	return l, nil
}

// readPalette reads which colour is which label.
func readPalette(path string) (map[color.RGBA]int32, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.As(fault.File, err)
	}
	known := map[color.RGBA]int32{}
	if bytes.HasPrefix(raw, []byte("\x89PNG")) {
		l, err := picture.DecodeLabels(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(l.Palette) == 0 {
			return nil, fault.Inputf("--palette %s: the PNG has no palette", path)
		}
		for i, c := range l.Palette {
			if _, twice := known[c]; !twice {
				known[c] = int32(i)
			}
		}
		return known, nil
	}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff"))))
	number := 0
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		c, ok := parseColour(text)
		if !ok {
			return nil, fault.Filef("%s: line %d: %.40q: want a colour, #rrggbb or three numbers from 0 to 255", path, number+1, text)
		}
		if _, twice := known[c]; twice {
			return nil, fault.Filef("%s: line %d: the colour is there twice", path, number+1)
		}
		known[c] = int32(number)
		number++
	}
	if len(known) == 0 {
		return nil, fault.Filef("%s has no colours", path)
	}
	return known, lines.Err()
}

// parseColour reads #rrggbb or three numbers at the beginning of a line.
func parseColour(text string) (color.RGBA, bool) {
	c := color.RGBA{A: 255}
	if n, err := fmt.Sscanf(text, "#%02x%02x%02x", &c.R, &c.G, &c.B); n == 3 && err == nil {
		return c, true
	}
	n, err := fmt.Sscan(strings.NewReplacer(",", " ", ";", " ").Replace(text), &c.R, &c.G, &c.B)
	return c, n == 3 && err == nil
}
