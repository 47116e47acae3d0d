package data

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"io"
	"sync"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// pixels keeps decoded pictures while memory allows.
type pixels struct {
	mu    sync.Mutex
	rgb   [][]byte // [Size, Size, 3], read at first use
	bytes int
}

// cacheBytes bounds the memory for decoded pictures.
const cacheBytes = 2 << 30

func (p *pixels) init(n int) { p.rgb = make([][]byte, n) }

func (p *pixels) get(i int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rgb[i]
}

func (p *pixels) put(i int, rgb []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rgb[i] == nil && p.bytes+len(rgb) <= cacheBytes {
		p.rgb[i] = rgb
		p.bytes += len(rgb)
	}
}

// Image returns picture i as [1, Size, Size, 3].
func (s *Set) Image(i int) (*tensor.Tensor, error) {
	t := tensor.New(1, s.Size, s.Size, 3)
	return t, s.Fill(t.F32, i, false)
}

// Fill writes picture i, mirrored if asked for, to dst [Size, Size, 3].
func (s *Set) Fill(dst []float32, i int, mirror bool) error {
	rgb, err := s.read(i)
	if err != nil {
		return err
	}
	row := s.Size * 3
	for at, v := range rgb {
		to := at
		if mirror {
			x := at % row / 3
			to = at + (s.Size-1-2*x)*3
		}
		dst[to] = float32(v)/127.5 - 1
	}
	return nil
}

// read returns the RGB pixels of picture i.
func (s *Set) read(i int) ([]byte, error) {
	if rgb := s.pixels.get(i); rgb != nil {
		return rgb, nil
	}
	img, err := s.Decode(i)
	if err != nil {
		return nil, err
	}
	square := picture.Square(img, s.Size)
	rgb := make([]byte, 0, s.Size*s.Size*3)
	for i := 0; i < len(square.Pix); i += 4 {
		rgb = append(rgb, square.Pix[i], square.Pix[i+1], square.Pix[i+2])
	}
	s.pixels.put(i, rgb)
	return rgb, nil
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

// preparation names how Fill makes pixels of a file, and changes when that does.
const preparation = "centre square, bicubic as Pillow, on white; 1"

// Key identifies the pixels that Fill gives for picture i, by the content of its
// file: what is computed from them can be kept under it.
func (s *Set) Key(i int) ([32]byte, error) {
	raw, err := s.Items[i].source.Read(maxPicture)
	if err != nil {
		return [32]byte{}, err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%d\n", preparation, s.Size)
	h.Write(raw)
	return [32]byte(h.Sum(nil)), nil
}

// Digest stands for all that training reads of a set: the names and sizes of
// the files, classes, captions, boxes, and how pixels are made of them. A run
// that is resumed with another digest does not go on as it began.
func (s *Set) Digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%d\n%q\n%q\n", preparation, s.Size, s.Classes, s.Categories)
	for _, it := range s.Items {
		fmt.Fprintf(h, "%q %d %d %d %q %v", it.source.Name, it.source.Size, it.Class, it.Repeats, it.Texts, it.Boxes)
		for _, name := range sortedKeys(it.Others) {
			fmt.Fprintf(h, " %q %q", name, it.Others[name].source.Name)
		}
		io.WriteString(h, "\n")
	}
	return hex.EncodeToString(h.Sum(nil))
}
