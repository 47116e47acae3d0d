package serve

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/ldm-go/ldm/serve/bus"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/store/nats"
)

// presence tells which processes of the service are alive, and what the workers
// among them can run.
type presence interface {
	Announce(ctx context.Context, member string, about []byte) error
	Leave(ctx context.Context, member string) error
	Members(ctx context.Context) (map[string][]byte, error)
}

// alone is the presence of a process that is all there is.
type alone struct{}

func (alone) Announce(context.Context, string, []byte) error     { return nil }
func (alone) Leave(context.Context, string) error                { return nil }
func (alone) Members(context.Context) (map[string][]byte, error) { return nil, nil }

// announceEvery is well within the time after which a member counts as gone.
const announceEvery = 4 * time.Second

// memberName is unique, and begins with the machine's name.
func memberName(r Role) string {
	host, _ := os.Hostname()
	host = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			return c
		}
		return '-'
	}, host)
	var b [6]byte
	rand.Read(b[:])
	if r == Both {
		r = "server"
	}
	return fmt.Sprintf("%s-%s-%s", host, r, hex.EncodeToString(b[:]))
}

func (s *Server) openNATS(ctx context.Context) (bus.Transport, error) {
	conn, err := client.Connect(s.cfg.NATS, client.Name(s.name), client.MaxReconnects(-1), client.RetryOnFailedConnect(false))
	if err != nil {
		return nil, fmt.Errorf("--nats %s: %w", s.cfg.NATS, err)
	}
	st, err := nats.Open(ctx, conn, nats.Options{Limit: s.cfg.Queue, Replicas: s.cfg.Replicas, Keep: s.cfg.Keep})
	if err != nil {
		conn.Close()
		return nil, err
	}
	s.close = append(s.close, func() error {
		err := st.Close()
		conn.Close()
		return err
	})
	if s.store, s.presence = st, st; s.blobs == nil {
		s.blobs = st.Blobs()
	}
	return st, nil
}

// about is what a member says of itself.
type about struct {
	Role   Role            `json:"role"`
	Models []catalog.Model `json:"models,omitempty"`

	Adapters catalog.Adapters `json:"adapters,omitzero"`
}

// announce says that this process is there, and hears of the others, until ctx ends.
func (s *Server) announce(ctx context.Context) {
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		s.say(ctx)
		s.hear(ctx)
		select {
		case <-ctx.Done():
			clean, stop := context.WithTimeout(context.Background(), 2*time.Second)
			defer stop()
			s.presence.Leave(clean, s.name)
			return
		case <-tick.C:
		}
	}
}

// say tells the others what this process has.
func (s *Server) say(ctx context.Context) {
	a := about{Role: s.cfg.Role}
	if s.cfg.Role != API {
		a.Models, a.Adapters = s.cfg.Models.List(), s.cfg.Models.Adapters()
		a.Adapters.LoRAs = slices.Clone(a.Adapters.LoRAs)
		for i := range a.Adapters.LoRAs {
			a.Adapters.LoRAs[i].Metadata = nil // it may be large
		}
	}
	data, _ := json.Marshal(a)
	if err := s.presence.Announce(ctx, s.name, data); err != nil && ctx.Err() == nil {
		s.cfg.Log.Warn("this process cannot say that it is alive", "error", err)
	}
}

// hear takes in who is alive.
func (s *Server) hear(ctx context.Context) {
	members, err := s.presence.Members(ctx)
	if err != nil || s.cfg.NATS == "" {
		return
	}
	alive, seen := map[string]bool{s.name: true}, map[string]bool{}
	var models []catalog.Model
	var extra catalog.Adapters
	for _, name := range slices.Sorted(maps.Keys(members)) {
		data := members[name]
		alive[name] = true
		var a about
		if json.Unmarshal(data, &a) != nil {
			continue
		}
		for _, m := range a.Models {
			if !seen[m.ID] {
				seen[m.ID] = true
				models = append(models, m)
			}
		}
		for _, l := range a.Adapters.LoRAs {
			if !slices.ContainsFunc(extra.LoRAs, func(k catalog.LoRA) bool { return k.Name == l.Name }) {
				extra.LoRAs = append(extra.LoRAs, l)
			}
		}
		extra.Words = merged(extra.Words, a.Adapters.Words)
		extra.Controls = merged(extra.Controls, a.Adapters.Controls)
		extra.Databases = merged(extra.Databases, a.Adapters.Databases)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive, s.remote, s.extra = alive, models, extra
}

// merged adds what is not there yet.
func merged[T comparable](have, more []T) []T {
	for _, x := range more {
		if !slices.Contains(have, x) {
			have = append(have, x)
		}
	}
	return have
}

// isAlive tells whether a process is there.
func (s *Server) isAlive(name string) bool {
	if s.cfg.NATS == "" {
		return name == s.name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alive == nil || s.alive[name]
}

// workers is whom an event is for that all workers obey, in place of a job.
const workers = "workers"

// obey looks at the folders again when another process asks for it.
func (s *Server) obey(ctx context.Context) {
	if s.cfg.NATS == "" || s.cfg.Role == API {
		return
	}
	s.core.Bus.Follow(ctx, workers, func(e bus.Event) {
		if e.Kind == bus.KindRescan {
			go func() {
				if err := s.cfg.Models.Rescan(); err != nil {
					s.cfg.Log.Warn("the folders cannot be read", "error", err)
				}
				s.say(ctx)
			}()
		}
	})
}

// rescanned is how long an API server waits for the answers of workers to a rescan.
const rescanned = 500 * time.Millisecond

// rescan looks at the folders again, at all workers.
func (s *Server) rescan(ctx context.Context) error {
	if s.cfg.NATS == "" {
		return s.cfg.Models.Rescan()
	}
	s.core.Bus.Send(workers, bus.Event{Kind: bus.KindRescan})
	select {
	case <-time.After(rescanned):
	case <-ctx.Done():
	}
	s.hear(ctx)
	return nil
}

// load loads a model, where this process runs jobs; workers elsewhere do when one comes.
func (s *Server) load(_ context.Context, model string) error {
	if s.cfg.Role == API {
		return nil
	}
	return s.cfg.Models.Load(model)
}

func (s *Server) unload(model string) {
	if s.cfg.Role != API {
		s.cfg.Models.Unload(model)
	}
}

// adapters are those that this process, or any worker, has.
func (s *Server) adapters() catalog.Adapters {
	if s.cfg.Role != API {
		return s.cfg.Models.Adapters()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.extra
}

// models are those that this process, or any worker, can run.
func (s *Server) models() []catalog.Model {
	if s.cfg.Role != API {
		return s.cfg.Models.List()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remote
}
