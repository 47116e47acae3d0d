package train

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"crypto/sha256"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/modelfile"
)

// The kinds of runs.
const (
	kindAutoencoder = "an autoencoder"
	kindDiffusion   = "a diffusion model"
	kindLoRA        = "a LoRA"
	kindStudent     = "a student"
	kindEmbedding   = "a word"
)

// facts are what a checkpoint depends on beside the configuration. A resumed
// run takes the vocabulary, the classes and the scale from its checkpoint, and
// compares the rest.
type facts struct {
	kind        string
	classes     []string
	vocabulary  []string
	scale       float32
	firstStage  string // digest of the weights
	conditioner string // digest of a frozen conditioner's weights
	base        string // digest of the whole model that is changed
	pictures    string // digest of the training pictures' names and sizes
	pixels      string // how pixels are made of them
	captions    string // digest of their captions and classes
	count       int    // of the pictures
}

// Keys of a checkpoint's metadata, some shared with model files.
const (
	metaClasses     = modelfile.MetaClasses
	metaVocabulary  = "ldm.vocab"
	metaScale       = "ldm.scale_factor"
	metaFirstStage  = "ldm.digest.first_stage"
	metaConditioner = "ldm.digest.conditioner"
	metaBase        = "ldm.digest.base"
	metaPictures    = "ldm.digest.pictures"
	metaPixels      = "ldm.pixels"
	metaCaptions    = "ldm.digest.captions"
	metaCount       = "ldm.pictures"
)

func (f facts) metadata() map[string]string {
	m := map[string]string{
		metaKind: f.kind, metaFirstStage: f.firstStage, metaConditioner: f.conditioner, metaBase: f.base, metaPictures: f.pictures, metaPixels: f.pixels, metaCaptions: f.captions, metaCount: strconv.Itoa(f.count),
	}
	if len(f.vocabulary) > 0 {
		m[metaVocabulary] = strings.Join(f.vocabulary, "\n")
	}
	if len(f.classes) > 0 {
		names, _ := json.Marshal(f.classes)
		m[metaClasses] = string(names)
	}
	if f.scale != 0 {
		m[metaScale] = strconv.FormatFloat(float64(f.scale), 'g', -1, 32)
	}
	maps.DeleteFunc(m, func(_, v string) bool { return v == "" })
	return m
}

// previous is the checkpoint that a run goes on from.
type previous struct {
	facts
	path   string
	step   int
	config string
}

// classNames are the classes of the checkpoint, if it is there and has any.
func (p *previous) classNames() []string {
	if p == nil || len(p.classes) == 0 {
		return nil
	}
	return p.classes
}

// readPrevious reads a checkpoint's metadata; nil if there is no such file.
func readPrevious(path string) (*previous, error) {
	f, err := checkpoint.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := f.Metadata()
	p := &previous{path: path, config: m[metaConfig], facts: facts{
		kind: m[metaKind], firstStage: m[metaFirstStage], conditioner: m[metaConditioner], base: m[metaBase], pictures: m[metaPictures], pixels: m[metaPixels], captions: m[metaCaptions],
	}}
	if p.step, err = strconv.Atoi(m[metaStep]); err != nil || p.step < 0 {
		return nil, fault.Filef("%s: not a checkpoint of a training run: metadata has no %s", path, metaStep)
	}
	if v := m[metaVocabulary]; v != "" {
		p.vocabulary = strings.Split(v, "\n")
	}
	if v := m[metaClasses]; v != "" {
		if err := json.Unmarshal([]byte(v), &p.classes); err != nil {
			return nil, fault.Filef("%s: metadata %s: %w", path, metaClasses, err)
		}
	}
	if v := m[metaScale]; v != "" {
		scale, err := strconv.ParseFloat(v, 32)
		if err != nil || !(scale > 0) || math.IsInf(scale, 0) {
			return nil, fault.Filef("%s: metadata %s is %q: want a positive number", path, metaScale, v)
		}
		p.scale = float32(scale)
	}
	p.count, _ = strconv.Atoi(m[metaCount])
	return p, nil
}

// What may differ from the checkpoint at a resume, if it is accepted.
const (
	AcceptData        = "data"        // pictures were added, removed or changed
	AcceptCaptions    = "captions"    // captions or classes of pictures were changed
	AcceptClasses     = "classes"     // a class has another name
	AcceptFirstStage  = "first_stage" // the first stage has other weights
	AcceptConditioner = "conditioner" // the frozen conditioner has other weights
	AcceptBase        = "base"        // the model that is changed has other weights
)

// Acceptable lists the differences that Run.Accept may name.
var Acceptable = []string{AcceptData, AcceptCaptions, AcceptClasses, AcceptFirstStage, AcceptConditioner, AcceptBase}

func acceptable(name string) error {
	if !slices.Contains(Acceptable, name) {
		return fault.Inputf("accept %q: want one of %s", name, strings.Join(Acceptable, ", "))
	}
	return nil
}

// check compares the run with its checkpoint.
func (p *previous) check(r Run, text string, now facts) error {
	for _, d := range []struct{ accept, what, then, now string }{
		{AcceptData, fmt.Sprintf("the training pictures are not those of the checkpoint (%d now, %d then)", now.count, p.count), p.pictures, now.pictures},
		{AcceptData, fmt.Sprintf("pixels are made of the training pictures otherwise than in the checkpoint (%s, then %s)", now.pixels, p.pixels), p.pixels, now.pixels},
		{AcceptCaptions, "the captions or classes of the training pictures were changed since the checkpoint", p.captions, now.captions},
		{AcceptFirstStage, "the first stage is not the one of the checkpoint: its weights differ", p.firstStage, now.firstStage},
		{AcceptConditioner, "the frozen conditioner is not the one of the checkpoint: its weights differ", p.conditioner, now.conditioner},
		{AcceptBase, "the base is not the model of the checkpoint: its weights differ", p.base, now.base},
	} {
		if d.then == "" || d.then == d.now {
			continue
		}
		accepted := slices.Contains(r.Accept, d.accept) || d.accept == AcceptCaptions && slices.Contains(r.Accept, AcceptData)
		if !accepted {
			return fault.Inputf("%s: %s (accept it with --accept %s, or choose another folder)", p.path, d.what, d.accept)
		}
		r.line("accepted: %s", d.what)
	}
	return p.compareConfig(r, text)
}

// compareConfig names what was changed in the configuration since the
// checkpoint; the model itself must be the same.
func (p *previous) compareConfig(r Run, text string) error {
	var then, now map[string]any
	if err := config.Parse(&then, p.path, []byte(p.config), nil); err != nil || p.config == "" {
		return nil // of another version
	}
	if err := config.Parse(&now, ConfigFile, []byte(text), nil); err != nil {
		return err
	}
	var changes []string
	for _, key := range differences("", then, now) {
		if strings.HasPrefix(key, "model.") {
			return fault.Inputf("%s: the configuration's %s is not the checkpoint's; a run's model cannot be changed: choose another folder (init can take over weights)", p.path, key)
		}
		changes = append(changes, key)
	}
	if len(changes) > 0 {
		r.line("changed since the checkpoint: %s", strings.Join(changes, ", "))
	}
	return nil
}

// differences lists "key (old, now new)" for the values of two configurations.
func differences(prefix string, a, b map[string]any) []string {
	keys := slices.Sorted(maps.Keys(a))
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	var out []string
	for _, k := range keys {
		x, isX := a[k].(map[string]any)
		y, isY := b[k].(map[string]any)
		switch {
		case isX && isY:
			out = append(out, differences(prefix+k+".", x, y)...)
		case !reflect.DeepEqual(a[k], b[k]):
			out = append(out, fmt.Sprintf("%s%s (%v, now %v)", prefix, k, a[k], b[k]))
		}
	}
	return out
}

// renamedClasses are the classes of a checkpoint with the name that one of them has
// in the set now, if that is accepted: one name is gone, and one is new.
func renamedClasses(r Run, then, now []string) ([]string, error) {
	missing := func(from, in []string) []string {
		return slices.DeleteFunc(slices.Clone(from), func(name string) bool { return slices.Contains(in, name) })
	}
	gone, fresh := missing(then, now), missing(now, then)
	if then == nil || len(fresh) == 0 {
		return then, nil
	}
	if !slices.Contains(r.Accept, AcceptClasses) {
		return nil, fault.Inputf("the classes %q are not among the checkpoint's, %q (accept that one was renamed with --accept %s,%s, or choose another folder)", fresh, then, AcceptClasses, AcceptData)
	}
	if len(gone) != 1 || len(fresh) != 1 {
		return nil, fault.Inputf("the classes %q are new and %q are gone: --accept %s wants one of each, so that it is clear which is which", fresh, gone, AcceptClasses)
	}
	r.line("accepted: the class %q is now called %q", gone[0], fresh[0])
	classes := slices.Clone(then)
	classes[slices.Index(classes, gone[0])] = fresh[0]
	return classes, nil
}

// digestOfSet returns digests of a set's pictures and of what is known about them.
func digestOfSet(dir string, s *data.Set) (pictures, captions string) {
	p, c := sha256.New(), sha256.New()
	for _, item := range s.Items {
		name, err := filepath.Rel(dir, item.File)
		if err != nil {
			name = item.File
		}
		var size int64
		if st, err := os.Stat(item.File); err == nil {
			size = st.Size()
		}
		fmt.Fprintf(p, "%q %d\n", filepath.ToSlash(name), size)
		class := ""
		if item.Class >= 0 && item.Class < len(s.Classes) {
			class = s.Classes[item.Class]
		}
		fmt.Fprintf(c, "%q %q\n", class, item.Texts)
	}
	return hex.EncodeToString(p.Sum(nil)[:16]), hex.EncodeToString(c.Sum(nil)[:16])
}

// digestOfVars is a digest of weights.
func digestOfVars(vars engine.Vars) string {
	h := sha256.New()
	buf := make([]byte, 0, 1<<16)
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		fmt.Fprintf(h, "%q %v\n", name, vars[name].Shape)
		for _, v := range vars[name].Float32().F32 {
			bits := math.Float32bits(v)
			if buf = append(buf, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24)); len(buf) == cap(buf) {
				h.Write(buf)
				buf = buf[:0]
			}
		}
	}
	h.Write(buf)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
