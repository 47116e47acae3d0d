package data

import (
	"image"
	"sync"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// pixels keeps decoded pictures while memory allows.
type pixels struct {
	mu    sync.Mutex
	list  []*rgb // read at first use
	bytes int
	once  map[int]*rgb // decoded ahead, without room in the list: until they are taken
}

// rgb is a picture of bytes [h, w, 3].
type rgb struct {
	w, h int
	pix  []byte
}

// cacheBytes bounds the memory for decoded pictures.
const cacheBytes = 2 << 30

// mostAhead bounds the pictures that are decoded ahead without room for them.
const mostAhead = 256

func (p *pixels) init(n int) { p.list, p.once = make([]*rgb, n), map[int]*rgb{} }

// get is a picture in memory, or nil.
func (p *pixels) get(i int) *rgb {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.once[i]; x != nil {
		delete(p.once, i)
		return x
	}
	return p.list[i]
}

func (p *pixels) has(i int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.list[i] != nil || p.once[i] != nil
}

// put keeps a picture, if there is room.
func (p *pixels) put(i int, x *rgb) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.list[i] == nil && p.bytes+len(x.pix) > cacheBytes {
		return false
	}
	if p.list[i] == nil {
		p.list[i] = x
		p.bytes += len(x.pix)
	}
	return true
}

// lay keeps a picture until it is taken.
func (p *pixels) lay(i int, x *rgb) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.once) < mostAhead {
		p.once[i] = x
	}
}

// Image returns picture i as [1, Size, Size, 3].
func (s *Set) Image(i int) (*tensor.Tensor, error) {
	t := tensor.New(1, s.Size, s.Size, 3)
	return t, s.Fill(t.F32, i, false)
}

// Fill writes the centre of picture i, mirrored if asked for, to dst
// [Size, Size, 3].
func (s *Set) Fill(dst []float32, i int, mirror bool) error {
	return s.FillPick(dst, Pick{Index: i, Mirror: mirror, X: 0.5, Y: 0.5})
}

// FillPick writes the part of a picture that a pick asks for to dst [H, W, 3] of
// the set's size, or of the pick's bucket.
func (s *Set) FillPick(dst []float32, p Pick) error {
	x, err := s.read(p)
	if err != nil {
		return err
	}
	w, h := s.shape(p)
	if len(dst) != 3*w*h {
		return fault.Inputf("%d values for a picture of %dx%d: want %d", len(dst), w, h, 3*w*h)
	}
	left, top := 0, 0
	switch {
	case s.zooms():
		x = x.part(s.window(image.Pt(x.w, x.h), p), w, h)
	default:
		left, top = place(x.w-w, p.X), place(x.h-h, p.Y)
	}
	for y := range h {
		from := x.pix[3*((top+y)*x.w+left):][:3*w]
		to := dst[3*w*y:][:3*w]
		for at, v := range from {
			if p.Mirror {
				at += 3 * (w - 1 - 2*(at/3))
			}
			to[at] = float32(v)/127.5 - 1
		}
	}
	return nil
}

// part is what a window shows, w x h pixels.
func (x *rgb) part(window picture.Window, w, h int) *rgb {
	img := image.NewRGBA(image.Rect(0, 0, x.w, x.h))
	for i := range x.w * x.h {
		copy(img.Pix[4*i:][:3], x.pix[3*i:][:3])
		img.Pix[4*i+3] = 255
	}
	return opaque(picture.ResizeWindow(img, w, h, picture.Bicubic, window))
}

// opaque takes the colours of a picture without transparent parts.
func opaque(img *image.RGBA) *rgb {
	x := &rgb{w: img.Rect.Dx(), h: img.Rect.Dy(), pix: make([]byte, 0, 3*img.Rect.Dx()*img.Rect.Dy())}
	for i := 0; i < len(img.Pix); i += 4 {
		x.pix = append(x.pix, img.Pix[i], img.Pix[i+1], img.Pix[i+2])
	}
	return x
}

// place is a whole number of pixels: a share of the room that is left.
func place(room int, share float64) int {
	return min(max(int(share*float64(room)+0.5), 0), max(room, 0))
}

// shape is the width and height that a pick has.
func (s *Set) shape(p Pick) (w, h int) {
	if p.Bucket != (image.Point{}) {
		return p.Bucket.X, p.Bucket.Y
	}
	return s.Size, s.Size
}

// read returns the pixels of a pick's picture, as prepare makes them.
func (s *Set) read(p Pick) (*rgb, error) {
	if x := s.pixels.get(p.Index); x != nil {
		return x, nil
	}
	x, err := s.prepare(p)
	if err == nil {
		s.pixels.put(p.Index, x)
	}
	return x, err
}

// prepare decodes a picture, scaled to cover the shape that picks of it have and
// cut to that, unless crops are random.
func (s *Set) prepare(p Pick) (*rgb, error) {
	img, err := s.Decode(p.Index)
	if err != nil {
		return nil, err
	}
	w, h := s.shape(p)
	flat := picture.OnWhite(img)
	if s.options.RandomCrop {
		zoom := zoomWithin(s.options.Zoom, img.Rect.Size(), w, h)
		flat = picture.Resize(flat, scaled(img.Rect.Dx(), img.Rect, w, h, zoom), scaled(img.Rect.Dy(), img.Rect, w, h, zoom), picture.Bicubic)
	} else {
		flat = picture.Cover(flat, w, h)
	}
	return opaque(flat), nil
}

// scaled is a side of a picture once it covers w x h, zoom times as large as it must.
func scaled(side int, r image.Rectangle, w, h int, zoom float64) int {
	scale := max(float64(w)/float64(r.Dx()), float64(h)/float64(r.Dy()))
	return int(float64(side)*scale*zoom + 0.5)
}

// zooms tells whether pictures are kept larger than picks show them.
func (s *Set) zooms() bool { return s.options.Zoom > 1 }

// zoomWithin is a zoom of at least 1 that does not enlarge a picture of that size.
func zoomWithin(zoom float64, size image.Point, w, h int) float64 {
	most := min(float64(size.X)/float64(w), float64(size.Y)/float64(h))
	return max(min(zoom, most), 1)
}

// Decode returns picture i as it is in its file, upright.
func (s *Set) Decode(i int) (*image.NRGBA, error) {
	raw, err := s.Items[i].source.Read(maxPicture)
	if err != nil {
		return nil, err
	}
	img, err := picture.DecodeBytes(raw)
	if err != nil {
		return nil, named(s.Items[i].File, err)
	}
	return img, nil
}
