package files

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/ldm-go/ldm/fault"
)

const (
	maxUnpacked = 64 << 30 // of a gzip file
	maxMember   = 1 << 30  // of a compressed file in a zip
)

// IsArchive says whether a name has the ending of an archive that Open reads.
func IsArchive(name string) bool {
	name = strings.ToLower(name)
	for _, ext := range []string{".zip", ".tar", ".tar.gz", ".tgz"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}

// addArchives lists what archives hold. Of several, each file has the name of
// its shard.
func (t *Tree) addArchives(paths []string) error {
	t.Shards = len(paths)
	for _, p := range paths {
		shard := ""
		if len(paths) > 1 {
			shard = p
		}
		f, err := os.Open(p)
		if err != nil {
			return fault.As(fault.Input, err)
		}
		t.closers = append(t.closers, f)
		switch lower := strings.ToLower(p); {
		case strings.HasSuffix(lower, ".zip"):
			err = t.addZip(f, shard)
		case strings.HasSuffix(lower, ".tar"):
			err = t.addTar(f, p, shard)
		case strings.HasSuffix(lower, "gz"):
			err = t.addGzip(f, p, shard)
		default:
			err = fault.Inputf("not an archive (.zip, .tar, .tar.gz, .tgz)")
		}
		if err != nil {
			return fault.As(fault.File, fmt.Errorf("%s: %w", p, err))
		}
		if len(t.Files) > maxFiles {
			return fault.Inputf("%s: more than %d files", t.root, maxFiles)
		}
	}
	strip(t.Files)
	return nil
}

// add adds a file of an archive, unless its name is hidden or leads outside.
func (t *Tree) add(archive, shard, name string, size int64, open func() (Reader, error)) {
	name = path.Clean(strings.ReplaceAll(name, `\`, "/"))
	if name = strings.TrimPrefix(name, "/"); name == "." || strings.HasPrefix(name, "../") || hiddenPath(name) {
		t.Hidden++
		return
	}
	t.Files = append(t.Files, File{Name: name, Shard: shard, Size: size, real: archive + ":" + name, open: open})
}

// strip takes the folder away into which many archives put everything.
func strip(files []File) {
	for len(files) > 0 {
		top, _, inside := strings.Cut(files[0].Name, "/")
		for _, f := range files {
			inside = inside && strings.HasPrefix(f.Name, top+"/")
		}
		if !inside {
			return
		}
		for i := range files {
			files[i].Name = strings.TrimPrefix(files[i].Name, top+"/")
		}
	}
}

func (t *Tree) addZip(f *os.File, shard string) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	z, err := zip.NewReader(f, st.Size())
	if err != nil {
		return err
	}
	for _, member := range z.File {
		if !member.Mode().IsRegular() {
			continue
		}
		if member.Flags&1 != 0 {
			return fault.Filef("%s is encrypted", member.Name)
		}
		t.add(f.Name(), shard, member.Name, int64(member.UncompressedSize64), func() (Reader, error) { return openMember(f, member) })
	}
	return nil
}

// openMember reads a stored file in place and unpacks a compressed one.
func openMember(f *os.File, member *zip.File) (Reader, error) {
	if member.Method == zip.Store {
		at, err := member.DataOffset()
		if err != nil {
			return nil, err
		}
		return part{io.NewSectionReader(f, at, int64(member.CompressedSize64))}, nil
	}
	if member.UncompressedSize64 > maxMember {
		return nil, fault.Filef("%s has %d bytes: want at most %d", member.Name, member.UncompressedSize64, maxMember)
	}
	r, err := member.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, maxMember))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", member.Name, err)
	}
	return memory{bytes.NewReader(raw)}, nil
}

// addTar lists the files in a tar file, which are read in place.
func (t *Tree) addTar(f *os.File, archive, shard string) error {
	r := tar.NewReader(f) // seeks over what the files hold
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		t.add(archive, shard, h.Name, h.Size, func() (Reader, error) {
			return part{io.NewSectionReader(f, at, h.Size)}, nil
		})
	}
}

// addGzip unpacks a tar file to a temporary one, because gzip has no places to
// begin reading at.
func (t *Tree) addGzip(f *os.File, archive, shard string) error {
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp("", "ldm-*.tar")
	if err != nil {
		return err
	}
	os.Remove(tmp.Name()) // it lives as long as it is open
	t.closers = append(t.closers, temporary{tmp})
	n, err := io.Copy(tmp, io.LimitReader(z, maxUnpacked))
	if err != nil {
		return err
	}
	if n == maxUnpacked {
		return fault.Filef("more than %d bytes unpacked", int64(maxUnpacked))
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return t.addTar(tmp, archive, shard)
}

// temporary is removed when it is closed, where that is not possible before.
type temporary struct{ *os.File }

func (t temporary) Close() error {
	err := t.File.Close()
	os.Remove(t.Name())
	return err
}
