package metadata

import (
	"bytes"
	"compress/gzip"
	"image"
	"io"
	"strings"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/container"
)

// Signatures of texts that are hidden in a picture's lowest bits: in its opacity
// or its colours, plain or packed.
const signatureLength = len("stealth_pnginfo")

// stealth reads the text that some programs hide in the lowest bits of the
// pixels, column by column: a signature, a length in bits, and the text.
func stealth(raw []byte) []Text {
	if f := container.Detect(raw); f != container.PNG && f != container.WebP {
		return nil
	}
	w, h, err := picture.SizeAt(bytes.NewReader(raw), int64(len(raw)))
	if err != nil || w*h > 1<<26 {
		return nil
	}
	img, err := picture.DecodeBytes(raw)
	if err != nil {
		return nil
	}
	for _, channels := range [][]int{{3}, {0, 1, 2}} {
		b := &lowBits{img: img, channels: channels}
		if list := b.texts(); list != nil {
			return list
		}
	}
	return nil
}

// lowBits reads the lowest bits of a picture's channels.
type lowBits struct {
	img      *image.NRGBA
	channels []int
	at       int // bits
}

// bytes reads n bytes; fewer where the picture ends.
func (b *lowBits) bytes(n int) []byte {
	size := b.img.Rect.Size()
	out := make([]byte, 0, min(n, size.X*size.Y*len(b.channels)/8))
	for range n {
		var v byte
		for range 8 {
			pixel, c := b.at/len(b.channels), b.channels[b.at%len(b.channels)]
			if pixel >= size.X*size.Y {
				return out
			}
			x, y := pixel/size.Y, pixel%size.Y
			v = v<<1 | b.img.Pix[y*b.img.Stride+4*x+c]&1
			b.at++
		}
		out = append(out, v)
	}
	return out
}

func (b *lowBits) texts() []Text {
	kind := "png"
	if len(b.channels) > 1 {
		kind = "rgb"
	}
	rest, found := strings.CutPrefix(string(b.bytes(signatureLength)), "stealth_"+kind)
	if !found || rest != "info" && rest != "comp" {
		return nil
	}
	length := b.bytes(4)
	if len(length) < 4 {
		return nil
	}
	n := (int(length[0])<<24 | int(length[1])<<16 | int(length[2])<<8 | int(length[3])) / 8
	data := b.bytes(n)
	if len(data) < n {
		return nil
	}
	if rest == "comp" {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil
		}
		if data, err = io.ReadAll(io.LimitReader(z, maxText)); err != nil {
			return nil
		}
	}
	text := decode(data)
	o, ok := parseObject(text)
	if _, isNovelAI := o["Comment"]; !ok || !isNovelAI {
		return []Text{{"parameters", text}}
	}
	var list []Text
	for _, key := range sortedKeys(o) {
		list = append(list, Text{key, textOf(o[key])})
	}
	return list
}
