package data

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"io"
)

// preparation names how pixels are made of files, and changes when that does.
const preparation = "cover, bicubic as Pillow, on white; 2"

// Key identifies the pixels that FillPick gives for a pick, by the content of
// its file: what is computed from them can be kept under it.
func (s *Set) Key(p Pick) ([32]byte, error) {
	raw, err := s.Items[p.Index].source.Read(maxPicture)
	if err != nil {
		return [32]byte{}, err
	}
	w, h := s.shape(p)
	x, y := p.X, p.Y
	if !s.options.RandomCrop {
		x, y = 0.5, 0.5
	}
	d := sha256.New()
	fmt.Fprintf(d, "%s\n%d %d %t %t %g %g\n", preparation, w, h, s.options.RandomCrop, p.Mirror, x, y)
	if p.Zoom > 1 {
		fmt.Fprintf(d, "zoom %g\n", p.Zoom)
	}
	d.Write(raw)
	return [32]byte(d.Sum(nil)), nil
}

// Pixels says how pixels are made of the set's files: what changes them changes it.
func (s *Set) Pixels() string {
	text := fmt.Sprintf("%d pixels (%s)", s.Size, preparation)
	if o := s.options; o.RandomCrop {
		text += ", random crops"
		if o.Zoom > 1 {
			text += fmt.Sprintf(" at up to %g times the size", o.Zoom)
		}
		if o.Crops > 0 {
			text += fmt.Sprintf(", %d of a picture", o.Crops)
		}
	}
	if s.buckets != nil {
		shapes := map[image.Point]bool{}
		for _, b := range s.buckets {
			shapes[b] = true
		}
		text += fmt.Sprintf(", %d shapes", len(shapes))
	}
	return text
}

// Digest stands for all that training reads of a set: the names and sizes of
// the files, classes, captions, boxes, and how pixels are made of them. A run
// that is resumed with another digest does not go on as it began.
func (s *Set) Digest() string {
	d := sha256.New()
	fmt.Fprintf(d, "%s\n%v\n%q\n%q\n", s.Pixels(), s.buckets, s.Classes, s.Categories)
	for _, it := range s.Items {
		fmt.Fprintf(d, "%q %d %d %d %q", it.source.Name, it.source.Size, it.Class, it.Repeats, it.Texts)
		for _, b := range it.Boxes {
			fmt.Fprintf(d, " %d %g %g %g %g %t", b.Class, b.X, b.Y, b.W, b.H, b.Crowd)
			if b.Outline != nil {
				fmt.Fprintf(d, " %v", *b.Outline)
			}
		}
		for _, name := range sortedKeys(it.Others) {
			fmt.Fprintf(d, " %q %q", name, it.Others[name].source.Name)
		}
		io.WriteString(d, "\n")
	}
	return hex.EncodeToString(d.Sum(nil))
}
