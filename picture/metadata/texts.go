package metadata

import (
	"bytes"
	"compress/zlib"
	"io"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture/container"
	"github.com/ldm-go/ldm/picture/exif"
)

// maxText bounds a text, also once it is unpacked.
const maxText = 32 << 20

// texts lists the texts of a file: the text chunks of a PNG, the comments in
// EXIF data, the comments of a JPEG or a GIF.
func texts(raw []byte) ([]Text, error) {
	f := container.Detect(raw)
	if f == container.Unknown {
		return nil, fault.Filef("not a picture of a known kind")
	}
	r := bytes.NewReader(raw)
	chunks := container.Chunks(r, r.Size(), f)
	var list []Text
	for _, c := range chunks {
		if c.Type != "tEXt" && c.Type != "zTXt" && c.Type != "iTXt" && c.Type != "FFFE" {
			continue
		}
		data, err := c.Read(r, maxText)
		if err != nil {
			continue // a damaged text says nothing
		}
		if c.Type == "FFFE" {
			list = append(list, Text{"comment", decode(data)})
		} else if t, ok := pngText(c.Type, data); ok {
			list = append(list, t)
		}
	}
	if f == container.GIF {
		for _, comment := range container.GIFComments(raw, maxText) {
			list = append(list, gifText(decode(comment)))
		}
	}
	return append(list, exifTexts(exif.Parse(container.Exif(r, chunks)))...), nil
}

// pngText reads a text chunk: a keyword, a zero, and text in Latin-1 (tEXt),
// packed (zTXt) or in UTF-8 with a language (iTXt).
func pngText(kind string, data []byte) (Text, bool) {
	key, rest, ok := bytes.Cut(data, []byte{0})
	if !ok {
		return Text{}, false
	}
	packed := kind == "zTXt"
	switch {
	case packed && len(rest) > 0:
		rest = rest[1:]
	case kind == "iTXt" && len(rest) >= 2:
		packed, rest = rest[0] == 1, rest[2:]
		for range 2 { // the language, and the keyword in it
			if _, rest, ok = bytes.Cut(rest, []byte{0}); !ok {
				return Text{}, false
			}
		}
	}
	if packed {
		z, err := zlib.NewReader(bytes.NewReader(rest))
		if err != nil {
			return Text{}, false
		}
		if rest, err = io.ReadAll(io.LimitReader(z, maxText)); err != nil {
			return Text{}, false
		}
	}
	return Text{decode(key), decode(rest)}, true
}

// gifText is a comment of a GIF, which has no keyword: this program's begin with it.
func gifText(text string) Text {
	switch {
	case strings.HasPrefix(text, ownKey+":{"):
		return Text{ownKey, text}
	case len(ParseParameters(text).Fields) > 0:
		return Text{"parameters", text}
	}
	return Text{"comment", text}
}

// decode reads UTF-8, which many write where the standard wants Latin-1, and
// otherwise Latin-1.
func decode(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

// exifTexts lists what EXIF data says, under the keys that the texts have in a
// PNG: a comment is A1111's parameters, ComfyUI writes "prompt:{...}" where
// cameras put their maker.
func exifTexts(d exif.Data) []Text {
	var list []Text
	add := func(key, text string) {
		if text != "" {
			list = append(list, Text{key, text})
		}
	}
	if comment := d.Text(exif.UserComment); len(ParseParameters(comment).Fields) > 0 || strings.HasPrefix(strings.TrimSpace(comment), "{") {
		add("parameters", comment)
	} else {
		add("UserComment", comment) // a person's, or a camera's
	}
	for _, tag := range []uint16{exif.ImageDescription, exif.Make, exif.Model, exif.Software} {
		text := d.Text(tag)
		key, rest, ok := strings.Cut(text, ":")
		known := key == "prompt" || key == "workflow" || key == ownKey
		switch {
		case ok && known && strings.HasPrefix(strings.ToLower(strings.TrimSpace(rest)), "{"):
			add(key, rest)
		case tag == exif.Software:
			add("Software", text)
		case tag == exif.ImageDescription:
			add("Description", text)
		}
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
