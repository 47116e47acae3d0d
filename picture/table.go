package picture

import (
	"image"
	"image/draw"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// Table are pictures in rows and columns with labels.
type Table struct {
	Rows, Columns []string // labels; without rows there is one
	Images        []image.Image
}

const (
	letterWidth, lineHeight = 7, 15 // of the labels' font
	tableGap                = 4
)

// Draw is the table as a picture: labels stand above columns and left of rows, in as many
// lines as they need.
func (t Table) Draw() *image.RGBA {
	columns := max(len(t.Columns), 1)
	rows := (len(t.Images) + columns - 1) / columns
	var cell image.Point
	for _, img := range t.Images {
		size := img.Bounds().Size()
		cell = image.Pt(max(cell.X, size.X), max(cell.Y, size.Y))
	}
	top, left := 0, 0
	for _, label := range t.Columns {
		top = max(top, len(wrap(label, cell.X))*lineHeight+tableGap)
	}
	const widest = 28
	for _, label := range t.Rows {
		for _, line := range wrap(label, widest*letterWidth) {
			left = max(left, len([]rune(line))*letterWidth+2*tableGap)
		}
	}
	out := image.NewRGBA(image.Rect(0, 0, left+columns*(cell.X+tableGap)-tableGap, top+rows*(cell.Y+tableGap)-tableGap))
	draw.Draw(out, out.Rect, image.White, image.Point{}, draw.Src)
	for i, label := range t.Columns {
		write(out, label, image.Rect(left+i*(cell.X+tableGap), 0, left+i*(cell.X+tableGap)+cell.X, top))
	}
	for i, label := range t.Rows {
		write(out, label, image.Rect(tableGap, top+i*(cell.Y+tableGap), left, top+i*(cell.Y+tableGap)+cell.Y))
	}
	for i, img := range t.Images {
		at := image.Pt(left+i%columns*(cell.X+tableGap), top+i/columns*(cell.Y+tableGap))
		draw.Draw(out, image.Rectangle{at, at.Add(img.Bounds().Size())}, img, img.Bounds().Min, draw.Over)
	}
	return out
}

// wrap breaks a label into lines that fit into so many pixels.
func wrap(label string, width int) []string {
	most := max(width/letterWidth, 1)
	var lines []string
	line := []rune{}
	flush := func() {
		if len(line) > 0 {
			lines, line = append(lines, string(line)), nil
		}
	}
	for _, word := range strings.Fields(label) {
		w := []rune(word)
		if len(line) > 0 && len(line)+1+len(w) > most {
			flush()
		}
		if len(line) > 0 {
			line = append(line, ' ')
		}
		for len(w) > most {
			line = append(line, w[:most]...)
			w = w[most:]
			flush()
		}
		line = append(line, w...)
	}
	flush()
	return lines
}

// write puts a label into the middle of a place.
func write(dst *image.RGBA, label string, at image.Rectangle) {
	const ascent = 11
	lines := wrap(label, max(at.Dx(), 1))
	y := at.Min.Y + (at.Dy()-len(lines)*lineHeight)/2 + ascent
	for _, line := range lines {
		x := at.Min.X + max((at.Dx()-len([]rune(line))*letterWidth)/2, 0)
		d := font.Drawer{Dst: dst, Src: image.Black, Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
		d.DrawString(line)
		y += lineHeight
	}
}
