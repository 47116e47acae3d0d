package data

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/ldm-go/ldm/data/files"
)

// readKohya reads metadata as one JSON value: a list of rows, or kohya's object
// of pictures by their paths, {"path/a": {"caption": ..., "tags": ...}}. It says
// whether the file is of such a form and names pictures that are there.
func (l *listing) readKohya(f files.File, raw []byte) (found bool, err error) {
	var list []map[string]any
	if json.Unmarshal(raw, &list) == nil {
		for _, fields := range list {
			r, err := parseFields(fields, true)
			if err != nil {
				return false, nil
			}
			if err := l.addRow(f, r); err != nil {
				return true, err
			}
		}
		return len(list) > 0, nil
	}
	var members map[string]map[string]any
	if json.Unmarshal(raw, &members) != nil {
		return false, nil
	}
	for _, name := range sortedKeys(members) {
		r, err := parseFields(members[name], false)
		if err != nil {
			return found, nil
		}
		if tags, ok := members[name]["tags"].(string); ok {
			r.texts = append(r.texts, strings.TrimSpace(tags))
		}
		if r.file, err = l.locate(f, strings.ReplaceAll(name, `\`, "/")); err != nil {
			continue
		}
		found = true
		if err := l.addRow(f, r); err != nil {
			return true, err
		}
	}
	return found, nil
}

// locate finds the picture that kohya's key means: a path of the machine where
// it was written, mostly without an extension. The result is relative to the
// folder of f.
func (l *listing) locate(f files.File, key string) (string, error) {
	dir := path.Dir(f.Name)
	if l.byKey[withShard(f, path.Join(dir, key))] != nil {
		return key, nil
	}
	if l.byStem == nil {
		l.byStem = map[string]string{}
		for _, e := range l.pictures {
			base := path.Base(e.source.Name)
			for _, key := range []string{base, stem(base)} {
				if other, twice := l.byStem[key]; twice && other != e.source.Name {
					l.byStem[key] = "" // which one is meant is not known
					continue
				}
				l.byStem[key] = e.source.Name
			}
		}
	}
	for _, key := range []string{path.Base(key), stem(path.Base(key))} {
		if name := l.byStem[key]; name != "" && (dir == "." || strings.HasPrefix(name, dir+"/")) {
			return strings.TrimPrefix(name, dir+"/"), nil
		}
	}
	return "", fmt.Errorf("%s is not there", key)
}
