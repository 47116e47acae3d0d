package exif

import "testing"

func TestRoundTrip(t *testing.T) {
	texts := map[uint16]string{UserComment: "a café 猫😀", ImageDescription: "ldm:{}", Software: "x"}
	d := Parse(Encode(texts))
	for tag, want := range texts {
		if got := d.Text(tag); got != want {
			t.Errorf("tag %#x: %q, want %q", tag, got, want)
		}
	}
	if d.Orientation() != 1 {
		t.Error("no orientation is upright")
	}
}

func TestComments(t *testing.T) {
	for value, want := range map[string]string{
		"UNICODE\x00\x00a\x00b":                    "ab", // big-endian in little-endian data
		"UNICODE\x00a\x00b\x00":                    "ab",
		"UNICODE\x00\xfe\xff\x00a":                 "a",
		"UNICODE\x00\xff\xfea\x00":                 "a",
		"UNICODE\x00plain":                         "plain",
		"ASCII\x00\x00\x00text\x00":                "text",
		"\x00\x00\x00\x00\x00\x00\x00\x00\xc3\xa9": "é",
		"caf\xe9": "café",
		"":        "",
	} {
		d := Parse([]byte("II*\x00\x08\x00\x00\x00"))
		d.entries[UserComment] = entry{typeUndefined, []byte(value)}
		if got := d.Text(UserComment); got != want {
			t.Errorf("%q reads %q, want %q", value, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Encode(map[uint16]string{UserComment: "a", Make: "prompt:{}"}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := Parse(raw)
		d.Orientation()
		d.Text(UserComment)
		d.Text(Make)
	})
}
