// Package data reads picture folders for training: class folders, captions in
// metadata.jsonl, and the pictures themselves, as channels-last float32 in
// [-1, 1]; and it writes PNGs.
package data

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// MetadataFile holds one JSON object a line: file_name, text, and optionally
// texts, more captions of the same picture.
const MetadataFile = "metadata.jsonl"

// Item is a picture with what is known about it.
type Item struct {
	File  string   // path
	Class int      // place in Set.Classes, or -1
	Texts []string // captions, the first the main one
}

// Set is a folder of pictures, cut to squares of one size.
type Set struct {
	Items   []Item
	Classes []string // names of the class folders, sorted
	Size    int      // pixels

	mu     sync.Mutex
	pixels [][]byte // RGB, read at first use
	cached int
}

// cacheBytes bounds the memory for decoded pictures.
const cacheBytes = 2 << 30

var extensions = []string{".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}

// Open lists the pictures in a folder. If it has a metadata.jsonl, that names
// the pictures and their captions; otherwise all pictures in it and below are
// taken, and the first folder under dir is a picture's class.
func Open(dir string, size int) (*Set, error) {
	if size < 1 {
		return nil, fmt.Errorf("pictures of %d pixels: want at least 1", size)
	}
	if st, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !st.IsDir() {
		return nil, fmt.Errorf("%s is not a folder", dir)
	}
	s := &Set{Size: size}
	err := s.readMetadata(filepath.Join(dir, MetadataFile), dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = s.walk(dir)
	}
	if err != nil {
		return nil, err
	}
	if len(s.Items) == 0 {
		return nil, fmt.Errorf("%s: no pictures (%s) in it", dir, strings.Join(extensions, ", "))
	}
	s.pixels = make([][]byte, len(s.Items))
	return s, nil
}

func (s *Set) readMetadata(path, dir string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		item, err := parseMetadata(lines.Bytes(), dir)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
		s.Items = append(s.Items, item)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// parseMetadata reads one line; file_name must stay inside dir.
func parseMetadata(line []byte, dir string) (Item, error) {
	var m struct {
		FileName string   `json:"file_name"`
		Text     string   `json:"text"`
		Texts    []string `json:"texts"`
	}
	if err := json.Unmarshal(line, &m); err != nil {
		return Item{}, err
	}
	if !filepath.IsLocal(m.FileName) {
		return Item{}, fmt.Errorf("file_name %q is not a path inside the folder", m.FileName)
	}
	return Item{File: filepath.Join(dir, m.FileName), Class: -1, Texts: append([]string{m.Text}, m.Texts...)}, nil
}

func (s *Set) walk(dir string) error {
	var classes []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !slices.Contains(extensions, strings.ToLower(filepath.Ext(path))) {
			return err
		}
		class := ""
		if rel, _ := filepath.Rel(dir, path); strings.Contains(filepath.ToSlash(rel), "/") {
			class, _, _ = strings.Cut(filepath.ToSlash(rel), "/")
		}
		classes = append(classes, class)
		s.Items = append(s.Items, Item{File: path, Class: -1, Texts: []string{class}})
		return nil
	})
	if err != nil {
		return err
	}
	s.Classes = slices.Compact(slices.Sorted(slices.Values(classes)))
	if len(s.Classes) > 0 && s.Classes[0] == "" {
		s.Classes = s.Classes[1:]
	}
	for i, class := range classes {
		if class != "" {
			s.Items[i].Class = sort.SearchStrings(s.Classes, class)
		}
	}
	return nil
}

// Len is the number of pictures.
func (s *Set) Len() int { return len(s.Items) }

// Image returns picture i as [1, Size, Size, 3].
func (s *Set) Image(i int) (*tensor.Tensor, error) {
	t := tensor.New(1, s.Size, s.Size, 3)
	return t, s.Fill(t.F32, i, false)
}

// Fill writes picture i, mirrored if asked for, to dst [Size, Size, 3].
func (s *Set) Fill(dst []float32, i int, mirror bool) error {
	pixels, err := s.read(i)
	if err != nil {
		return err
	}
	row := s.Size * 3
	for at, v := range pixels {
		to := at
		if mirror {
			x := at % row / 3
			to = at + (s.Size-1-2*x)*3
		}
		dst[to] = float32(v)/127.5 - 1
	}
	return nil
}

// read returns the RGB pixels of picture i, keeping them while memory allows.
func (s *Set) read(i int) ([]byte, error) {
	s.mu.Lock()
	pixels := s.pixels[i]
	s.mu.Unlock()
	if pixels != nil {
		return pixels, nil
	}
	img, err := picture.Decode(s.Items[i].File)
	if err != nil {
		return nil, err
	}
	square := picture.Square(img, s.Size)
	pixels = make([]byte, 0, s.Size*s.Size*3)
	for i := 0; i < len(square.Pix); i += 4 {
		pixels = append(pixels, square.Pix[i], square.Pix[i+1], square.Pix[i+2])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cached+len(pixels) <= cacheBytes {
		s.pixels[i] = pixels
		s.cached += len(pixels)
	}
	return pixels, nil
}
