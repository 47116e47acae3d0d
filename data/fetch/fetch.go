// Package fetch gets what recipes train on from its public source, through the
// source's own client, checks that it is what it was, and keeps it, so that
// nothing is fetched twice.
package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/output"
)

// Package is a package of the npm registry at a fixed version.
type Package struct {
	Name, Version string
	SHA256        string // of its archive
}

// CacheEnv names the folder where what was fetched is kept; by default it is in
// the user's folder of caches.
const CacheEnv = "LDM_CACHE"

func cache() (string, error) {
	if dir := os.Getenv(CacheEnv); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fault.Inputf("no folder for what is fetched: %w (set %s)", err, CacheEnv)
	}
	return filepath.Join(dir, "ldm"), nil
}

// Get returns the path of the package's archive (.tgz), which is fetched with npm
// unless it is there.
func (p Package) Get(ctx context.Context) (string, error) {
	dir, err := cache()
	if err != nil {
		return "", err
	}
	base := strings.ReplaceAll(strings.TrimPrefix(p.Name, "@"), "/", "-") + "-" + p.Version + ".tgz"
	path := filepath.Join(dir, "packages", base)
	if sum, err := sum(path); err == nil && sum == p.SHA256 {
		return path, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fault.Inputf("%s comes through npm, which is not installed here: install Node.js with npm, or train on a folder of your own pictures", p.Name)
	}
	tmp, err := os.MkdirTemp("", "ldm-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	out, err := run(ctx, tmp, npm, "pack", "--silent", "--ignore-scripts", p.Name+"@"+p.Version)
	if err != nil {
		return "", err
	}
	got := filepath.Join(tmp, filepath.Base(strings.TrimSpace(out)))
	found, err := sum(got)
	if err != nil {
		return "", fault.Filef("npm pack %s: %w", p.Name, err)
	}
	if found != p.SHA256 {
		return "", fault.Filef("%s@%s has the SHA-256 %s, not %s: it is not what this program was made for", p.Name, p.Version, found, p.SHA256)
	}
	return path, output.Write(path, func(w io.Writer) error {
		f, err := os.Open(got)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	})
}

// Repository is a public Git repository at one commit, whose name is the
// checksum of all that it holds.
type Repository struct{ URL, Commit string }

// Get returns a folder with the commit's files, which are fetched with git unless
// they are there.
func (r Repository) Get(ctx context.Context) (string, error) {
	dir, err := cache()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "repositories", r.Commit)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fault.As(fault.File, err)
	}
	git, err := exec.LookPath("git")
	if err != nil {
		return "", fault.Inputf("%s comes through git, which is not installed here", r.URL)
	}
	return path, output.Folder(path, func(tmp string) error {
		for _, args := range [][]string{
			{"init", "--quiet"},
			{"fetch", "--quiet", "--depth=1", r.URL, r.Commit},
			{"-c", "core.autocrlf=false", "checkout", "--quiet", "FETCH_HEAD"},
		} {
			if _, err := run(ctx, tmp, git, args...); err != nil {
				return err
			}
		}
		head, err := run(ctx, tmp, git, "rev-parse", "HEAD")
		if err == nil && strings.TrimSpace(head) != r.Commit {
			err = fault.Filef("%s gave the commit %s, not %s", r.URL, strings.TrimSpace(head), r.Commit)
		}
		if err != nil {
			return err
		}
		return os.RemoveAll(filepath.Join(tmp, ".git"))
	})
}

func run(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
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
