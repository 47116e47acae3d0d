// Package catalog is what the server knows of its models without loading them:
// names, hashes, what each can do, and the defaults that requests get.
package catalog

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/serve/job"
)

// Model is one model of the server.
type Model struct {
	ID      string // unique: the file's name without its extension
	File    string // path, or "" for a model in the program
	SHA256  string // of the file
	Created int64  // the file's time, Unix seconds
	Bytes   int64  // of its weights

	Tasks   []job.Type
	Classes int      // of class-conditional models
	Names   []string // of the classes, where they have names
	CLIP    bool     // the text encoder is CLIP's
	Texts   int      // channels of CLIP's text encoder: the learnt words that fit have as many

	Context     int  // channels of the cross-attention with texts, which ControlNets must have; 0: there is none
	Vectors     bool // prompts become vectors of CLIP, and the nearest ones of a database
	VectorWidth int  // numbers of such a vector
	Told        bool // the network is told the scale of the guidance
	TokenUnit   int  // sides of pictures whose tokens can be merged are multiples of it; 0: none can
	Branches    int  // most branches of a cache of deep features

	// The defaults of requests, the same for all interfaces.
	Width, Height int
	Unit          int // sizes are multiples of it
	Steps         int
	CFGScale      float64
	Sampler       string
	Scheduler     string
	Timesteps     int // of training: more steps than that make no sense
}

// Can tells whether a model does a kind of work.
func (m Model) Can(t job.Type) bool { return slices.Contains(m.Tasks, t) }

// FileName is the name of the model's file, with its extension.
func (m Model) FileName() string {
	if m.File == "" {
		return m.ID + ".safetensors"
	}
	return filepath.Base(m.File)
}

// Hash is the short form of the file's hash that A1111 shows.
func (m Model) Hash() string { return m.SHA256[:min(10, len(m.SHA256))] }

// Title is the name that A1111 gives a model.
func (m Model) Title() string { return m.FileName() + " [" + m.Hash() + "]" }

// Find returns the model that a client means: by title, file name, name, or by
// its hash, short or whole.
func Find(models []Model, name string) (Model, bool) {
	for _, m := range models {
		if name == m.ID || name == m.Title() || name == m.FileName() {
			return m, true
		}
	}
	for _, m := range models {
		if len(name) >= 8 && strings.HasPrefix(m.SHA256, strings.ToLower(name)) {
			return m, true
		}
	}
	return Model{}, false
}
