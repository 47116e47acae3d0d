package metadata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/picture/exif"
)

// ownKey is the keyword of this program's JSON.
const ownKey = "ldm"

// Notes are the texts that this program writes into a picture: A1111's, which
// most programs read, and own, whose JSON has all that a repetition needs.
// picture.Options takes them.
func Notes(p Parameters, own any) ([]picture.Note, error) {
	raw, err := asciiJSON(own)
	if err != nil {
		return nil, err
	}
	return []picture.Note{
		{Keyword: "parameters", Tag: exif.UserComment, Text: p.String()},
		{Keyword: ownKey, Tag: exif.ImageDescription, Text: exifOwn(raw)},
	}, nil
}

// exifOwn marks the JSON as ours where no keyword says so.
func exifOwn(raw []byte) string { return ownKey + ":" + string(raw) }

// asciiJSON escapes what is not ASCII, which alone EXIF's texts may hold.
func asciiJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, r := range strings.TrimSpace(b.String()) {
		if r < 0x80 {
			out.WriteRune(r)
			continue
		}
		for _, u := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&out, `\u%04x`, u)
		}
	}
	return out.Bytes(), nil
}

// readOwn understands this program, by its JSON, beside A1111's text.
func readOwn(k keyed) (Settings, bool) {
	raw := strings.TrimPrefix(k[ownKey], ownKey+":")
	if raw == "" || !json.Valid([]byte(raw)) {
		return Settings{}, false
	}
	s := fromParameters(ParseParameters(k["parameters"]))
	s.Program, s.Own = "ldm", []byte(raw)
	return s, true
}
