// Package stock is the models of a server: those found in a folder, and the one
// in the program. A model is loaded when a job wants it, and unloaded when
// memory is wanted for another, least recently used first.
package stock

import (
	"cmp"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/job"
)

// Options of a stock.
type Options struct {
	Files     []string // models by path; the first is the default
	Folder    string   // of more models; "": none
	LoRAs     string   // folder of those that prompts may name; "": none
	Words     string   // folder of learnt words (textual inversion); "": none
	Controls  string   // folder of ControlNets; "": none
	Databases string   // folder of databases for retrieval-augmented models; "": none
	CLIP      string   // file of the encoder of texts of such models; "": they are not served
	Box       bool     // the models in the program, too
	Cache     string   // folder where hashes of files are kept; "": none
	MaxMemory int64    // of the weights that are loaded; 0: any
	Load      ldm.Options
	Text      bool   // pictures carry their settings
	Version   string // of the program, for those settings
	Log       *slog.Logger
}

// Stock is a serve.Models.
type Stock struct {
	opt   Options
	mu    sync.Mutex
	kinds []*kind // the default first
	loras []catalog.LoRA
	words words
	nets  []catalog.Control
	bases []catalog.Database

	retrieval retrieval

	scanning sync.Mutex // held while the folders are looked at
}

// kind is a model of the stock, loaded or not.
type kind struct {
	catalog.Model
	open    func(ldm.Options) (*ldm.Model, error)
	stamp   stamp // of its file
	scanned bool  // it was found in the folder
	named   bool  // its name is settled

	loading  sync.Mutex // held while it is loaded
	model    *ldm.Model // under Stock.mu
	controls map[string]*heldControl
	users    int
	used     time.Time
	gone     bool // its file is no longer there, or another one

	adapted sync.RWMutex // held by jobs that want the model as it is
	set     []lora.Use
	remarks []string
	taught  int // the version of the words
}

// Open looks at the models, without reading their weights. A file in the folder
// that is no model is left out with a line in the log.
func Open(o Options) (*Stock, error) {
	s := &Stock{opt: o}
	for _, path := range o.Files {
		k, err := s.look(path)
		if err != nil {
			return nil, err
		}
		s.kinds = append(s.kinds, k)
	}
	found, err := s.scan(nil)
	if err != nil {
		return nil, err
	}
	s.kinds = append(s.kinds, found...)
	if o.Box {
		box, err := s.box()
		if err != nil {
			return nil, err
		}
		s.kinds = append(s.kinds, box...)
	}
	if len(s.kinds) == 0 {
		return nil, errors.New("there is no model: name one with --model, or a folder of them with --models")
	}
	s.unique()
	if o.CLIP != "" {
		if _, _, err := s.retriever(""); err != nil {
			return nil, err
		}
	}
	return s, s.scanAdapters()
}

// scanAdapters looks at the folders of what prompts can call on.
func (s *Stock) scanAdapters() error {
	loras, err := s.scanLoRAs()
	if err != nil {
		return err
	}
	words, err := s.scanWords()
	if err != nil {
		return err
	}
	nets, err := s.scanControls()
	if err != nil {
		return err
	}
	bases, err := s.scanDatabases()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	words.version = s.words.version + 1
	s.loras, s.words, s.nets, s.bases = loras, words, nets, bases
	return nil
}

// Rescan implements serve.Models: models that are new in the folder are there, and those
// whose files are gone or others go when nobody uses them. The default stays while it is
// there.
func (s *Stock) Rescan() error {
	s.scanning.Lock()
	defer s.scanning.Unlock()
	s.mu.Lock()
	before := map[string]*kind{}
	for _, k := range s.kinds {
		if k.scanned {
			before[k.File] = k
		}
	}
	s.mu.Unlock()
	found, err := s.scan(before)
	if err != nil {
		return err
	}
	s.mu.Lock()
	var kept []*kind
	for _, k := range s.kinds {
		if !k.scanned || slices.Contains(found, k) {
			kept = append(kept, k)
			continue
		}
		if k.gone = true; k.users == 0 {
			s.unload(k)
		}
	}
	for _, k := range found {
		if !slices.Contains(kept, k) {
			kept = append(kept, k)
		}
	}
	s.kinds = kept
	s.unique()
	s.mu.Unlock()
	return s.scanAdapters()
}

// unique gives each model a name of its own.
func (s *Stock) unique() {
	taken := map[string]bool{}
	for _, k := range s.kinds {
		if k.named { // it keeps its name
			taken[k.ID] = true
		}
	}
	for _, k := range s.kinds {
		if k.named {
			continue
		}
		name := k.ID
		for n := 2; taken[k.ID]; n++ {
			k.ID = name + "-" + strconv.Itoa(n)
		}
		k.named, taken[k.ID] = true, true
	}
}

// List implements serve.Models.
func (s *Stock) List() []catalog.Model {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]catalog.Model, len(s.kinds))
	for i, k := range s.kinds {
		list[i] = k.Model
	}
	if len(list) > 1 {
		slices.SortFunc(list[1:], func(a, b catalog.Model) int { return cmp.Compare(a.ID, b.ID) })
	}
	return list
}

// find returns a model by its name.
func (s *Stock) find(id string) *kind {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.kinds {
		if k.ID == id {
			return k
		}
	}
	return nil
}

// Has implements worker.Runner.
func (s *Stock) Has(r job.Request) bool {
	_, err := s.uses(r)
	return err == nil && s.hasControls(r) && s.find(r.Model) != nil
}
