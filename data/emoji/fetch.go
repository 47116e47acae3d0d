package emoji

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// The packages, at fixed versions, so that the data set does not change.
const (
	picturesPackage = "@lobehub/fluent-emoji-3d@1.1.0"
	namesPackage    = "emojibase-data@17.0.0"
	maxFile         = 64 << 20 // of a file in them
)

// fetch downloads both packages to dir and returns the paths of the pictures
// by hexcode, and the names' JSON.
func fetch(ctx context.Context, dir string) (pictures map[string]string, names []byte, err error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return nil, nil, fmt.Errorf("the emoji come through npm, which is not installed here: install Node.js with npm, or train on a folder of your own pictures")
	}
	pictures = map[string]string{}
	err = unpack(ctx, npm, dir, picturesPackage, func(name string, r io.Reader) error {
		if path.Ext(name) != ".webp" {
			return nil
		}
		file := filepath.Join(dir, path.Base(name))
		out, err := os.Create(file)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, r); err != nil {
			out.Close()
			return err
		}
		pictures[plain(strings.TrimSuffix(path.Base(name), ".webp"))] = file
		return out.Close()
	})
	if err != nil {
		return nil, nil, err
	}
	err = unpack(ctx, npm, dir, namesPackage, func(name string, r io.Reader) (err error) {
		if name == "package/en/data.json" {
			names, err = io.ReadAll(r)
		}
		return err
	})
	if err == nil && (len(pictures) == 0 || len(names) == 0) {
		err = fmt.Errorf("%s or %s is not as expected", picturesPackage, namesPackage)
	}
	return pictures, names, err
}

// unpack downloads a package and visits the files in it.
func unpack(ctx context.Context, npm, dir, pkg string, visit func(name string, r io.Reader) error) error {
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", pkg)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("npm pack %s: %w: %s", pkg, err, strings.TrimSpace(stderr.String()))
	}
	archive := filepath.Join(dir, filepath.Base(strings.TrimSpace(string(out))))
	f, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("npm pack %s: %w", pkg, err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	files := tar.NewReader(z)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if h.Size > maxFile {
			return fmt.Errorf("%s: %s has %d bytes", archive, h.Name, h.Size)
		}
		if err := visit(h.Name, files); err != nil {
			return fmt.Errorf("%s: %s: %w", archive, h.Name, err)
		}
	}
}
