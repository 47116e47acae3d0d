package modelfile

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
)

// SHA256 is a file's digest, in hexadecimal: what catalogues of models know it by.
func SHA256(path string) (string, error) {
	f, err := os.Open(path)
	return digest(f, err)
}

// SHA256FS is SHA256 in a file system, such as one that is embedded in a program.
func SHA256FS(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	return digest(f, err)
}

func digest(f io.ReadCloser, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
