package intake

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/ldm-go/ldm/picture"
)

// Base64 reads a picture as clients send it: base64 with or without padding,
// white space and the head of a data URL. Addresses are refused: nothing is
// ever fetched.
func Base64(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	lower := strings.ToLower(text[:min(len(text), 16)])
	for _, scheme := range []string{"http:", "https:", "file:", "ftp:", "//"} {
		if strings.HasPrefix(lower, scheme) && (scheme != "//" || strings.Contains(text[:min(len(text), 64)], ".")) {
			return nil, errors.New("addresses are not fetched: send the picture itself as base64")
		}
	}
	if strings.HasPrefix(lower, "data:") {
		head, data, ok := strings.Cut(text, ",")
		if !ok || !strings.HasSuffix(strings.ToLower(head), ";base64") {
			return nil, errors.New("a data URL that is not base64")
		}
		text = data
	}
	text = strings.TrimRight(strings.Map(func(r rune) rune {
		if r == ' ' || r == '\n' || r == '\r' || r == '\t' {
			return -1
		}
		return r
	}, text), "=")
	if text == "" {
		return nil, errors.New("it is empty")
	}
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("not base64")
	}
	return data, nil
}

// Size reads the width and height of a picture from its head.
func Size(data []byte) (width, height int, err error) {
	return picture.SizeAt(bytes.NewReader(data), int64(len(data)))
}
