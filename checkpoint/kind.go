package checkpoint

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kindBytes is how much of a file's beginning tells what it is.
const kindBytes = 1024

const (
	unpack    = "unpack it first"
	otherForm = "want the model's .safetensors or .ckpt file"
)

// kinds of files that come under a checkpoint's name, by bytes at a place.
var kinds = []struct {
	at         int
	magic      string
	what, then string
}{
	{0, "\x1f\x8b", "a gzip archive", unpack},
	{0, "BZh", "a bzip2 archive", unpack},
	{0, "\xfd7zXZ\x00", "an xz archive", unpack},
	{0, "\x28\xb5\x2f\xfd", "a zstd archive", unpack},
	{0, "\x04\x22\x4d\x18", "an lz4 archive", unpack},
	{0, "7z\xbc\xaf\x27\x1c", "a 7z archive", unpack},
	{0, "Rar!\x1a\x07", "a RAR archive", unpack},
	{257, "ustar", "a tar archive", unpack},
	{0, "GGUF", "a GGUF model (of llama.cpp or stable-diffusion.cpp)", otherForm},
	{0, "lmgg", "a GGML model", otherForm},
	{0, "tjgg", "a GGML model", otherForm},
	{0, "\x93NUMPY", "a NumPy array", otherForm},
	{4, "TFL3", "a TensorFlow Lite model", otherForm},
	{0, "\x89HDF\r\n\x1a\n", "an HDF5 file (as Keras writes it)", otherForm},
	{0, "\x89PNG\r\n\x1a\n", "a PNG picture", otherForm},
	{0, "\xff\xd8\xff", "a JPEG picture", otherForm},
	{0, "GIF8", "a GIF picture", otherForm},
	{8, "WEBP", "a WebP picture", otherForm},
	{4, "ftyp", "a video or an AVIF or HEIC picture", otherForm},
	{0, "%PDF-", "a PDF document", otherForm},
	{0, "PAR1", "a Parquet table", otherForm},
	{0, "SQLite format 3\x00", "an SQLite database", otherForm},
	{0, "\x7fELF", "a program", otherForm},
	{0, "MZ", "a Windows program", otherForm},
	{0, "\x00\x05\x16\x07", "a file of macOS's that goes with another file", "want the file without ._ before its name"},
	{0, "\xff\xfe", "a text of UTF-16", otherForm},
}

// kindOf says what a file is that is no checkpoint, from its beginning, and what
// to do; "" where that is not known.
func kindOf(name string, head []byte, size int64) string {
	if size == 0 {
		return "an empty file: is it a download that did not begin?"
	}
	if what := textKind(name, head, size); what != "" {
		return what
	}
	for _, k := range kinds {
		if len(head) >= k.at+len(k.magic) && string(head[k.at:k.at+len(k.magic)]) == k.magic {
			return k.what + ": " + k.then
		}
	}
	switch {
	case onnx(head):
		return "an ONNX model: " + otherForm
	case textPickle.Match(head):
		return "a Python pickle that torch.save did not write: " + otherForm + "; nothing was executed"
	case len(bytes.Trim(head, "\x00")) == 0:
		return fmt.Sprintf("%d bytes that begin with zeros alone: download it again", size)
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".pb":
		return "a TensorFlow graph: " + otherForm
	case ".msgpack":
		return "weights of Flax: " + otherForm
	case ".mlmodel":
		return "a Core ML model: " + otherForm
	}
	return ""
}

// onnx looks for the fields that a ModelProto begins with: its version, and the
// name of what wrote it, or others of the first eight.
func onnx(head []byte) bool {
	return len(head) > 3 && head[0] == 0x08 && head[1] > 0 && head[1] < 32 && bytes.IndexByte([]byte{0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42}, head[2]) >= 0
}

// textPickle is how pickles of the protocols 0 and 1 begin.
var textPickle = regexp.MustCompile(`^(c[\w.]+\n[\w.]+\n|\((?:dp|lp|ip|i)|\(?c\w+\n|[\]})]q)`)

var lfsPointer = regexp.MustCompile(`^version https://git-lfs\.github\.com/spec/v\d+\n(?:.*\n)*?size (\d+)\n?`)

// textKind says what a text is that lies where a model should.
func textKind(name string, head []byte, size int64) string {
	if m := lfsPointer.FindSubmatch(head); m != nil {
		want, _ := strconv.ParseInt(string(m[1]), 10, 64)
		return fmt.Sprintf("a Git LFS pointer, not the file itself (%d bytes): run git lfs pull, or download the file", want)
	}
	begin := strings.ToLower(string(bytes.TrimLeft(head, "\ufeff \t\r\n")))
	switch {
	case strings.HasPrefix(begin, "/annex/") || strings.HasPrefix(begin, "../.git/annex/"):
		return "a git-annex pointer, not the file itself: run git annex get"
	case strings.HasPrefix(begin, "<!doctype html"), strings.HasPrefix(begin, "<html"), strings.HasPrefix(begin, "<head"), strings.HasPrefix(begin, "<!-- "):
		return "an HTML page, as a server sends in place of a file (does the download want a login?): download it again"
	case strings.HasPrefix(begin, "<?xml"), strings.HasPrefix(begin, "<error"):
		return "an XML document, as a server sends in place of a file: download it again"
	case !readable(head, size):
		return ""
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml":
		return "a YAML configuration: give it with --config, and the model's weights"
	case ".json":
		return "a JSON file: want the weights, or the folder that it is in"
	}
	if textPickle.Match(head) {
		return ""
	}
	return fmt.Sprintf("a text that begins with %s: %s", quoted(head), otherForm)
}

// readable tells whether the beginning of a file is a text.
func readable(head []byte, size int64) bool {
	if int64(len(head)) < size { // a letter may be cut
		for range utf8.UTFMax {
			if utf8.Valid(head) || len(head) == 0 {
				break
			}
			head = head[:len(head)-1]
		}
	}
	if !utf8.Valid(head) {
		return false
	}
	return !strings.ContainsFunc(string(head), func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n\f", r) })
}

// quoted is the beginning of a text on one line.
func quoted(head []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(head)), "\n")
	if r := []rune(line); len(r) > 40 {
		line = string(r[:40]) + "…"
	}
	return strconv.Quote(strings.TrimRight(line, "\r"))
}
