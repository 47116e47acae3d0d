package stock

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/control"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/checkpoint/diffusers"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/retouch"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/serve/worker"
)

// scanControls looks at the folder of ControlNets: files, and folders of diffusers.
func (s *Stock) scanControls() ([]catalog.Control, error) {
	list := []catalog.Control{}
	if s.opt.Controls == "" {
		return list, nil
	}
	entries, err := os.ReadDir(s.opt.Controls)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(s.opt.Controls, e.Name())
		if strings.HasPrefix(e.Name(), ".") || !isControl(path) {
			continue
		}
		f, err := control.Open(path)
		if err != nil {
			s.opt.Log.Warn("not a ControlNet that can be used", "path", path, "error", err)
			continue
		}
		c := catalog.Control{Name: e.Name(), File: e.Name(), Context: f.Context(), Bytes: f.Bytes()}
		f.Close()
		if ext := filepath.Ext(path); slices.Contains(lora.Extensions, strings.ToLower(ext)) {
			c.Name = strings.TrimSuffix(c.Name, ext)
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", c.File, c.Bytes))
		c.Hash = hex.EncodeToString(sum[:4])
		if _, taken := catalog.FindControl(list, c.Name); taken {
			c.Name = c.File
		}
		list = append(list, c)
	}
	return list, nil
}

// isControl tells by the name, or for a folder by what diffusers puts there.
func isControl(path string) bool {
	if st, err := os.Stat(path); err != nil || !st.IsDir() {
		return err == nil && slices.Contains(lora.Extensions, strings.ToLower(filepath.Ext(path)))
	}
	_, err := os.Stat(filepath.Join(path, diffusers.ConfigFile))
	return err == nil
}

// heldControl is a ControlNet that is loaded for a model.
type heldControl struct {
	net   *ldm.ControlNet
	bytes int64
	users int
	used  time.Time
}

// controls opens the ControlNets of a job, with the pictures that they see; release is to be
// called when they are not needed.
func (s *Stock) controls(ctx context.Context, k *kind, m *ldm.Model, t *worker.Task) (list []ldm.Control, release func(), err error) {
	var held []*heldControl
	release = func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, h := range held {
			h.users--
			h.used = time.Now()
		}
	}
	for _, c := range t.Job.Request.Controls {
		h, err := s.control(k, m, c.Model)
		if err != nil {
			release()
			return nil, nil, err
		}
		held = append(held, h)
		img, err := blob(ctx, t, c.Image)
		if err != nil {
			release()
			return nil, nil, err
		}
		fit := retouch.Fit(picture.OnWhite(img), t.Job.Request.Width, t.Job.Request.Height, modes[c.Resize])
		list = append(list, ldm.Control{Net: h.net, Image: fit, Strength: c.Strength, Start: c.Start, End: c.End})
	}
	return list, release, nil
}

// control is one that is loaded for a model, which uses it from now on.
func (s *Stock) control(k *kind, m *ldm.Model, name string) (*heldControl, error) {
	k.loading.Lock()
	defer k.loading.Unlock()
	s.mu.Lock()
	c, there := catalog.FindControl(s.nets, name)
	h := k.controls[name]
	if h != nil {
		h.users++
	} else if there {
		s.makeRoom(c.Bytes, k)
	}
	s.mu.Unlock()
	switch {
	case h != nil:
		return h, nil
	case !there:
		return nil, fault.Inputf("there is no ControlNet %q any more", name)
	}
	net, err := m.OpenControlNet(filepath.Join(s.opt.Controls, c.File))
	if err != nil {
		return nil, s.plain(err)
	}
	h = &heldControl{net: net, bytes: c.Bytes, users: 1}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.controls == nil {
		k.controls = map[string]*heldControl{}
	}
	k.controls[name] = h
	return h, nil
}

// dropControls closes the ControlNets of a model that nobody uses, the least recently used
// first, until enough says so. It is called under s.mu.
func (s *Stock) dropControls(k *kind, enough func() bool) {
	var names []string
	for name, h := range k.controls {
		if h.users == 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return k.controls[a].used.Compare(k.controls[b].used) })
	for _, name := range names {
		if enough() {
			return
		}
		k.controls[name].net.Close()
		delete(k.controls, name)
	}
}

// hasControls tells whether all ControlNets of a request are there.
func (s *Stock) hasControls(r job.Request) bool {
	have := s.Adapters()
	for _, c := range r.Controls {
		if _, ok := catalog.FindControl(have.Controls, c.Model); !ok {
			return false
		}
	}
	if r.Database == "" {
		return true
	}
	_, ok := catalog.FindDatabase(have.Databases, r.Database)
	return ok
}
