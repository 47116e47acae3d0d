package data

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Keys of metadata, as people write them; the first that is there is the main caption.
var (
	captionKeys = []string{"text", "caption", "caption_text", "prompt", "texts", "captions", "prompts", "description", "image_caption", "image_description"}
	fileKeys    = []string{"file_name", "filename", "file", "image", "path", "image_path", "file_path", "img"}
	classKeys   = []string{"label", "class", "class_name", "category"}
)

const companionSuffix = "_file_name" // of Hugging Face's further columns of pictures

// row is what one line says of a picture.
type row struct {
	file    string
	texts   []string
	class   string
	others  map[string]string // companions' files by their names
	unknown []string
}

// eachJSONLine reads an object a line. Errors begin with the line's number.
func eachJSONLine(raw []byte, each func(row) error) error {
	for n := 1; len(raw) > 0; n++ {
		line, rest, _ := bytes.Cut(raw, []byte{'\n'})
		raw = rest
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		r, err := parseLine(line)
		if err == nil {
			err = each(r)
		}
		if err != nil {
			return fmt.Errorf("%d: %w", n, err)
		}
	}
	return nil
}

func parseLine(line []byte) (row, error) {
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		return row{}, err
	}
	return parseFields(fields, true)
}

// parseFields gives fields their meaning. Letters' case does not matter.
func parseFields(fields map[string]any, needFile bool) (row, error) {
	var r row
	byName := map[string]any{}
	for k, v := range fields {
		byName[strings.ToLower(strings.TrimSpace(k))] = v
	}
	for _, k := range captionKeys {
		texts, err := textsOf(byName[k])
		if err != nil {
			return r, fmt.Errorf("%s: %w", k, err)
		}
		r.texts = append(r.texts, texts...)
	}
	for _, k := range classKeys {
		if v := byName[k]; v != nil && r.class == "" {
			r.class = scalar(v)
		}
	}
	for _, k := range fileKeys {
		if s, ok := byName[k].(string); ok && s != "" && r.file == "" {
			r.file = strings.ReplaceAll(s, `\`, "/")
		}
	}
	for _, k := range sortedKeys(byName) {
		if s, ok := byName[k].(string); ok && strings.HasSuffix(k, companionSuffix) && s != "" {
			if r.others == nil {
				r.others = map[string]string{}
			}
			r.others[strings.TrimSuffix(k, companionSuffix)] = strings.ReplaceAll(s, `\`, "/")
		} else if !slices.Contains(captionKeys, k) && !slices.Contains(fileKeys, k) && !slices.Contains(classKeys, k) {
			r.unknown = append(r.unknown, k)
		}
	}
	r.chooseMain()
	if r.file == "" && needFile {
		return r, fmt.Errorf("no file_name")
	}
	return r, nil
}

// chooseMain takes the picture itself from the companions, where nothing else
// names it: the target of a pair.
func (r *row) chooseMain() {
	if r.file != "" {
		return
	}
	names := append([]string{"image", "target", "output", "edited", "edited_image", "original"}, sortedKeys(r.others)...)
	for _, name := range names {
		if file := r.others[name]; file != "" {
			r.file = file
			delete(r.others, name)
			return
		}
	}
}

// textsOf reads a text or a list of texts.
func textsOf(v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []any:
		var list []string
		for _, e := range v {
			s := scalar(e)
			if s == "" && e != "" && e != nil {
				return nil, fmt.Errorf("%v: want texts", e)
			}
			list = append(list, s)
		}
		return list, nil
	}
	s := scalar(v)
	if s == "" && v != "" {
		if text, ok := v.(string); !ok || strings.TrimSpace(text) != "" {
			return nil, fmt.Errorf("%v: want a text or a list of texts", v)
		}
	}
	return []string{s}, nil
}

// scalar is a text, or a number as text.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case float64:
		return fmt.Sprint(v)
	}
	return ""
}

// eachCSVRecord reads records below a line of names. The separator is a comma,
// or a tab or a semicolon where the names have no comma.
func eachCSVRecord(raw []byte, each func(row) error) error {
	first, _, _ := bytes.Cut(raw, []byte{'\n'})
	r := csv.NewReader(bytes.NewReader(raw))
	r.LazyQuotes, r.FieldsPerRecord = true, -1
	if !bytes.Contains(first, []byte{','}) {
		for _, sep := range "\t;" {
			if bytes.ContainsRune(first, sep) {
				r.Comma = sep
				break
			}
		}
	}
	names, err := r.Read()
	if err != nil {
		return fmt.Errorf("1: %w", err)
	}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		line, _ := r.FieldPos(0)
		if err != nil {
			return fmt.Errorf("%d: %w", line, err)
		}
		fields := map[string]any{}
		for i, value := range record {
			if i < len(names) && value != "" {
				fields[names[i]] = value
			}
		}
		parsed, err := parseFields(fields, true)
		if err == nil {
			err = each(parsed)
		}
		if err != nil {
			return fmt.Errorf("%d: %w", line, err)
		}
	}
}
