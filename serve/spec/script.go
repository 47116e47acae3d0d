package spec

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
)

// scriptHash lets the page's own script run, and no other.
var scriptHash = func() string {
	_, after, _ := bytes.Cut(page, []byte("<script type=\"module\">"))
	script, _, _ := bytes.Cut(after, []byte("</script>"))
	sum := sha256.Sum256(script)
	return base64.StdEncoding.EncodeToString(sum[:])
}()
