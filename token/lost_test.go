package token

import "testing"

func TestLost(t *testing.T) {
	for _, c := range []struct {
		text    string
		length  int
		cut     string
		unknown int
	}{
		{"a red cat", 77, "", 0},
		{"a red cat on a mat", 5, "on a mat", 0},
		{"☃ and ☃ and \U0001F9A9", 77, "", 2},
	} {
		cut, unknown := BERT().Lost(c.text, c.length)
		if cut != c.cut || len(unknown) != c.unknown {
			t.Errorf("%q: %q and %q", c.text, cut, unknown)
		}
	}
}
