package files

import (
	"os"
	"path/filepath"

	"github.com/ldm-go/ldm/fault"
)

// maxFiles bounds what a folder may hold, and what folders that are linked from
// each other can seem to hold.
const maxFiles = 1 << 25

// addFolder lists a folder and all below it.
func (t *Tree) addFolder(root string) error {
	st, err := os.Stat(root)
	if err != nil {
		return fault.As(fault.Input, err)
	}
	return t.walk(root, "", []os.FileInfo{st})
}

// walk lists a folder whose path in the tree begins with prefix; above holds
// the folder and those that lead to it.
func (t *Tree) walk(dir, prefix string, above []os.FileInfo) error {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return fault.As(fault.File, err)
	}
	for _, e := range entries {
		if hidden(e.Name()) {
			t.Hidden++
			continue
		}
		full, name := filepath.Join(dir, e.Name()), prefix+e.Name()
		st, err := os.Stat(full) // of what a link leads to
		switch {
		case err == nil && st.IsDir():
			if contains(above, st) {
				continue // a circle of links
			}
			if err := t.walk(full, name+"/", append(above[:len(above):len(above)], st)); err != nil {
				return err
			}
			continue
		case err == nil && !st.Mode().IsRegular():
			t.Hidden++ // pipes, sockets, devices
			continue
		}
		f := File{Name: name, real: full, open: func() (Reader, error) { return openFile(full) }}
		if err == nil {
			f.Size = st.Size()
		} // a link that leads nowhere is in the list, and fails when it is read
		if t.Files = append(t.Files, f); len(t.Files) > maxFiles {
			return fault.Inputf("%s: more than %d files, or folders that link to each other", t.root, maxFiles)
		}
	}
	return nil
}

func contains(above []os.FileInfo, st os.FileInfo) bool {
	for _, a := range above {
		if os.SameFile(a, st) {
			return true
		}
	}
	return false
}
