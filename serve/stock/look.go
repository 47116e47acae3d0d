package stock

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/output"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/weights/emoji"
)

// stamp tells whether a file is the one that was looked at.
type stamp struct {
	size int64
	time time.Time
}

// scan looks at the models of the folder; those of before, by their path, stay what they
// are where their files do.
func (s *Stock) scan(before map[string]*kind) ([]*kind, error) {
	if s.opt.Folder == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(s.opt.Folder)
	if err != nil {
		return nil, err
	}
	var found []*kind
	for _, e := range entries {
		path := filepath.Join(s.opt.Folder, e.Name())
		if strings.HasPrefix(e.Name(), ".") || slices.Contains(s.opt.Files, path) || !isModel(path) {
			continue
		}
		if k := before[path]; k != nil && k.stamp == stampOf(path) {
			found = append(found, k)
			continue
		}
		k, err := s.look(path)
		if err != nil {
			s.opt.Log.Warn("not a model that can be served", "path", path, "error", err)
			continue
		}
		k.scanned, k.stamp = true, stampOf(path)
		found = append(found, k)
	}
	return found, nil
}

func stampOf(path string) stamp {
	st, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{st.Size(), st.ModTime()}
}

// isModel tells by the name, or for a folder by what diffusers puts there.
func isModel(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".safetensors", ".ckpt", ".pt", ".pth":
		return true
	}
	_, err := os.Stat(filepath.Join(path, "model_index.json"))
	return err == nil
}

// look takes what is known of a model from the head of its file.
func (s *Stock) look(path string) (*kind, error) {
	f, err := modelfile.Open(path, s.opt.Load.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	k := &kind{open: func(o ldm.Options) (*ldm.Model, error) { return ldm.Open(path, o) }}
	if err := k.describe(f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if k.Vectors && s.opt.CLIP == "" {
		return nil, fmt.Errorf("%s is conditioned on vectors of CLIP: want --clip, the encoder of texts that it was trained with", path)
	}
	k.File, k.ID = path, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	k.Created = st.ModTime().Unix()
	k.SHA256, err = s.hash(path, st)
	return k, err
}

// box are the models in the program: the first, and its student of few steps.
func (s *Stock) box() ([]*kind, error) {
	f, err := emoji.Open(modelfile.Options{})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	k := &kind{open: emoji.Load}
	if err := k.describe(f); err != nil {
		return nil, err
	}
	k.ID, k.SHA256 = "emoji", emoji.SHA256()
	student := &kind{open: emoji.LoadStudent, Model: k.Model}
	student.ID, student.SHA256 = "emoji-lcm", emoji.StudentSHA256()
	student.Steps, student.CFGScale, student.Sampler = 4, 1, sampler.Consistency().Name
	return []*kind{k, student}, nil
}

// describe fills in what a model does and its defaults.
func (k *kind) describe(f *modelfile.File) error {
	net, err := f.Network()
	if err != nil {
		return err
	}
	for _, name := range f.Names() {
		if info, ok := f.Info(name); ok {
			k.Bytes += int64(info.Shape.Size()) * 4
		}
	}
	side := net.LatentSide() * net.FirstStage.Factor()
	k.Width, k.Height, k.Unit = side, side, net.FirstStage.Factor()*net.UNet.Factor()
	k.Timesteps = len(net.Schedule.Betas)
	k.Steps, k.CFGScale, k.Sampler = min(net.DefaultSteps(), k.Timesteps), net.DefaultGuidance(), net.DefaultSampler().Name
	k.Classes, k.Names = net.Classes(), f.Classes()
	if k.CLIP = net.CLIP != nil; k.CLIP {
		k.Texts = net.CLIP.Width
	}
	if k.Vectors = net.TakesVectors(); k.Vectors {
		k.VectorWidth = net.UNet.ContextDim
	}
	if k.Told = net.ToldGuidance(); net.TextLength() > 0 && (net.Key == model.KeyCrossAttn || net.Key == model.KeyHybrid) {
		k.Context = net.UNet.ContextDim
	}
	factor := net.FirstStage.Factor()
	for _, unit := range []int{2 * k.Unit, k.Unit} {
		if net.UNet.MergesTokens(unit/factor, unit/factor) {
			k.TokenUnit = unit
		}
	}
	k.Branches = net.UNet.Branches()
	k.Tasks = tasks(net)
	if len(k.Tasks) == 0 {
		return fmt.Errorf("a model whose condition is %s cannot be served", net.Kind)
	}
	return nil
}

// tasks are the kinds of work that a network does.
func tasks(net *model.Network) []job.Type {
	switch {
	case net.Inpaints():
		return []job.Type{job.Inpaint}
	case net.Kind == model.NoCondition:
		return []job.Type{job.Uncond, job.ImageToImage, job.Inpaint}
	case net.LayoutTokens():
		return nil
	case net.TextLength() > 0, net.TakesVectors():
		return []job.Type{job.TextToImage, job.ImageToImage, job.Inpaint}
	case net.Classes() > 0:
		return []job.Type{job.ClassToImage, job.ImageToImage, job.Inpaint}
	case net.Kind == model.Itself:
		return []job.Type{job.Upscale}
	}
	return nil
}

// hash is the file's SHA-256; it is kept with the file's size and time, as that of
// a large file takes its while. A folder's is that of its largest file.
func (s *Stock) hash(path string, st os.FileInfo) (string, error) {
	if st.IsDir() {
		var err error
		if path, st, err = largest(path); err != nil {
			return "", err
		}
	}
	type known struct {
		Size int64  `json:"size"`
		Time int64  `json:"time"`
		Hash string `json:"sha256"`
	}
	sum := sha256.Sum256([]byte(path))
	keep := filepath.Join(s.opt.Cache, hex.EncodeToString(sum[:8])+".json")
	var have known
	if raw, err := os.ReadFile(keep); s.opt.Cache != "" && err == nil && json.Unmarshal(raw, &have) == nil &&
		have.Size == st.Size() && have.Time == st.ModTime().UnixNano() {
		return have.Hash, nil
	}
	hash, err := modelfile.SHA256(path)
	if err != nil {
		return "", err
	}
	have = known{st.Size(), st.ModTime().UnixNano(), hash}
	if s.opt.Cache != "" {
		err := output.Write(keep, func(w io.Writer) error { return json.NewEncoder(w).Encode(have) })
		if err != nil {
			s.opt.Log.Warn("the hash of a model cannot be kept", "error", err)
		}
	}
	return have.Hash, nil
}

func largest(dir string) (path string, info os.FileInfo, err error) {
	err = filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		st, err := e.Info()
		if err == nil && (info == nil || st.Size() > info.Size()) {
			path, info = p, st
		}
		return err
	})
	if err == nil && info == nil {
		err = fmt.Errorf("%s is empty", dir)
	}
	return path, info, err
}
