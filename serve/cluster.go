package serve

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
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
	s.store, s.blobs, s.presence = st, st.Blobs(), st
	return st, nil
}

// about is what a member says of itself.
type about struct {
	Role   Role            `json:"role"`
	Models []catalog.Model `json:"models,omitempty"`
}

// announce says that this process is there, and hears of the others, until ctx ends.
func (s *Server) announce(ctx context.Context) {
	tick := time.NewTicker(announceEvery)
	defer tick.Stop()
	for {
		a := about{Role: s.cfg.Role}
		if s.cfg.Role != API {
			a.Models = s.cfg.Models.List()
		}
		data, _ := json.Marshal(a)
		if err := s.presence.Announce(ctx, s.name, data); err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("this process cannot say that it is alive", "error", err)
		}
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

// hear takes in who is alive.
func (s *Server) hear(ctx context.Context) {
	members, err := s.presence.Members(ctx)
	if err != nil || s.cfg.NATS == "" {
		return
	}
	alive, seen := map[string]bool{s.name: true}, map[string]bool{}
	var models []catalog.Model
	for name, data := range members {
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
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive, s.remote = alive, models
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

// models are those that this process, or any worker, can run.
func (s *Server) models() []catalog.Model {
	if s.cfg.Role != API {
		return s.cfg.Models.List()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remote
}
