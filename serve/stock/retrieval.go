package stock

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/metric/features"
	"github.com/ldm-go/ldm/retrieve"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/job"
)

// retrieval is what retrieval-augmented models turn texts into vectors with. Databases are
// read when a job first wants them.
type retrieval struct {
	mu        sync.Mutex
	encoder   *features.Extractor
	from      *ldm.Retriever
	databases map[string]*openDatabase
}

// openDatabase is a database as its file was when it was read.
type openDatabase struct {
	*retrieve.Database
	stamp stamp
}

// scanDatabases looks at the folder of databases.
func (s *Stock) scanDatabases() ([]catalog.Database, error) {
	list := []catalog.Database{}
	if s.opt.Databases == "" {
		return list, nil
	}
	entries, err := os.ReadDir(s.opt.Databases)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(s.opt.Databases, e.Name())
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || !strings.EqualFold(filepath.Ext(path), ".safetensors") {
			continue
		}
		about, err := retrieve.Look(path)
		if err != nil {
			s.opt.Log.Warn("not a database that can be used", "path", path, "error", err)
			continue
		}
		list = append(list, catalog.Database{Name: strings.TrimSuffix(e.Name(), filepath.Ext(path)), File: e.Name(), Pictures: about.Pictures, Width: about.Width})
	}
	return list, nil
}

// vectors are the condition of a text for a job.
func (s *Stock) vectors(ctx context.Context, text string, r job.Request) (ldm.Vectors, error) {
	from, db, err := s.retriever(r.Database)
	if err != nil {
		return nil, err
	}
	return from.Vectors(ctx, text, db, r.Neighbours)
}

// retriever is the encoder of texts, with a database if one is named.
func (s *Stock) retriever(database string) (*ldm.Retriever, *retrieve.Database, error) {
	v := &s.retrieval
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.from == nil {
		if s.opt.CLIP == "" {
			return nil, nil, fault.Unsupportedf("this server has no encoder of texts for models that are conditioned on vectors of CLIP (--clip)")
		}
		eng := s.opt.Load.Engine
		if eng == nil {
			eng = cpu.New(cpu.Options{Threads: s.opt.Load.Threads})
		}
		encoder, err := features.Open(s.opt.CLIP, "", eng, engine.Options{})
		if err != nil {
			return nil, nil, err
		}
		if v.from, err = ldm.NewRetriever(encoder); err != nil {
			encoder.Close()
			return nil, nil, err
		}
		v.encoder = encoder
	}
	if database == "" {
		return v.from, nil, nil
	}
	d, ok := catalog.FindDatabase(s.Adapters().Databases, database)
	if !ok {
		return nil, nil, fault.Inputf("there is no database %q any more", database)
	}
	path := filepath.Join(s.opt.Databases, d.File)
	if have := v.databases[d.File]; have != nil && have.stamp == stampOf(path) {
		return v.from, have.Database, nil
	}
	db, err := retrieve.Open(path)
	if err != nil {
		return nil, nil, s.plain(err)
	}
	if v.databases == nil {
		v.databases = map[string]*openDatabase{}
	}
	v.databases[d.File] = &openDatabase{db, stampOf(path)}
	return v.from, db, nil
}

// close frees the encoder.
func (v *retrieval) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.encoder != nil {
		v.encoder.Close()
		v.encoder, v.from = nil, nil
	}
}
