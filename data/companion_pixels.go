package data

import (
	"image"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
)

// Labels returns the map of labels that goes with a pick, cut, scaled and
// mirrored as its picture is: the companion of that name, "label" for the usual
// folders. Maps in colours have the numbers of LabelColors. Where there is none,
// COCO's outlines serve, if the set was opened with them.
func (s *Set) Labels(p Pick, name string) (*picture.Labels, error) {
	if _, there := s.Items[p.Index].Others[name]; !there && s.options.Outlines && len(s.Categories) > 0 {
		return s.Instances(p)
	}
	other, raw, err := s.companion(p, name)
	if err != nil {
		return nil, err
	}
	l, err := picture.DecodeLabels(raw)
	if err != nil {
		return nil, named(other.Path(), err)
	}
	if err := s.fits(p, other, l.Width, l.Height); err != nil {
		return nil, err
	}
	if err := s.renumber(l, name, other); err != nil {
		return nil, err
	}
	w, h := s.shape(p)
	l = l.Resize(w, h, s.window(image.Pt(l.Width, l.Height), p))
	if p.Mirror {
		for y := range h {
			row := l.Index[y*w:][:w]
			for x := range w / 2 {
				row[x], row[w-1-x] = row[w-1-x], row[x]
			}
		}
	}
	return l, nil
}

// FillCompanion writes a companion of a pick to dst [H, W, 3], cut, scaled and
// mirrored as the picture is: the other side of a pair.
func (s *Set) FillCompanion(dst []float32, p Pick, name string) error {
	other, raw, err := s.companion(p, name)
	if err != nil {
		return err
	}
	img, err := picture.DecodeBytes(raw)
	if err != nil {
		return named(other.Path(), err)
	}
	if err := s.fits(p, other, img.Rect.Dx(), img.Rect.Dy()); err != nil {
		return err
	}
	w, h := s.shape(p)
	out := picture.ResizeWindow(picture.OnWhite(img), w, h, picture.Bicubic, s.window(img.Rect.Size(), p))
	if p.Mirror {
		picture.Mirror(out)
	}
	picture.Fill(dst, out)
	return nil
}

func (s *Set) companion(p Pick, name string) (File, []byte, error) {
	item := s.Items[p.Index]
	other, there := item.Others[name]
	if !there {
		return File{}, nil, fault.Inputf("%s has no %s beside it", item.File, name)
	}
	raw, err := other.Read()
	return other, raw, err
}

// window is the part of a picture that a pick shows, in pixels of a companion
// (or of the picture itself) of that size.
func (s *Set) window(size image.Point, p Pick) picture.Window {
	item := s.Items[p.Index]
	whole := image.Pt(item.Width, item.Height)
	if whole.X == 0 || whole.Y == 0 {
		whole = size
	}
	w, h := s.shape(p)
	part := picture.Covered(whole, w, h)
	if s.options.RandomCrop {
		r := image.Rectangle{Max: whole}
		zoom := zoomWithin(p.Zoom, whole, w, h)
		sw, sh := scaled(whole.X, r, w, h, zoom), scaled(whole.Y, r, w, h, zoom)
		left, top := float64(place(sw-w, p.X)), float64(place(sh-h, p.Y))
		fx, fy := float64(whole.X)/float64(sw), float64(whole.Y)/float64(sh)
		part = picture.Window{X0: left * fx, Y0: top * fy, X1: (left + float64(w)) * fx, Y1: (top + float64(h)) * fy}
	}
	fx, fy := float64(size.X)/float64(whole.X), float64(size.Y)/float64(whole.Y)
	return picture.Window{X0: part.X0 * fx, Y0: part.Y0 * fy, X1: part.X1 * fx, Y1: part.Y1 * fy}
}

// fits is an error unless a companion has the proportions of its picture.
func (s *Set) fits(p Pick, other File, w, h int) error {
	item := s.Items[p.Index]
	if item.Width == 0 || item.Height == 0 {
		return nil
	}
	ratio := float64(w) * float64(item.Height) / (float64(h) * float64(item.Width))
	if ratio < 0.98 || ratio > 1.02 {
		return fault.Filef("%s has %dx%d pixels, %s %dx%d: want the same proportions", other.Path(), w, h, item.File, item.Width, item.Height)
	}
	return nil
}

// BoxesOf are the boxes of a pick in shares of what it shows; those of which
// nothing is seen are left out.
func (s *Set) BoxesOf(p Pick) []Box {
	item := s.Items[p.Index]
	size := item.size(s.Size)
	w := s.window(size, p)
	var list []Box
	for _, b := range item.Boxes {
		x0, x1 := within(b.X, b.W, size.X, w.X0, w.X1)
		y0, y1 := within(b.Y, b.H, size.Y, w.Y0, w.Y1)
		if x1 <= x0 || y1 <= y0 {
			continue
		}
		if p.Mirror {
			x0, x1 = 1-x1, 1-x0
		}
		list = append(list, Box{Class: b.Class, X: x0, Y: y0, W: x1 - x0, H: y1 - y0, Crowd: b.Crowd})
	}
	return list
}

// size is a picture's size; a square where it is not known.
func (it Item) size(side int) image.Point {
	if it.Width == 0 || it.Height == 0 {
		return image.Pt(side, side)
	}
	return image.Pt(it.Width, it.Height)
}

// within cuts a span to what is shown of it, in shares of that.
func within(at, length float64, pixels int, from, to float64) (first, last float64) {
	first = (at*float64(pixels) - from) / (to - from)
	last = ((at+length)*float64(pixels) - from) / (to - from)
	return min(max(first, 0), 1), min(max(last, 0), 1)
}
