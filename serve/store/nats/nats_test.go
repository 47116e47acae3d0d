package nats_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"

	"github.com/ldm-go/ldm/serve/store"
	"github.com/ldm-go/ldm/serve/store/nats"
	"github.com/ldm-go/ldm/serve/store/storetest"
)

// connect starts a server of its own on loopback and connects to it.
func connect(t *testing.T) *client.Conn {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	conn, err := client.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		s.Shutdown()
		s.WaitForShutdown()
	})
	return conn
}

func open(t *testing.T, conn *client.Conn) *nats.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := nats.Open(ctx, conn, nats.Options{Limit: storetest.Limit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, connect(t)) })
}

func TestBlobs(t *testing.T) { storetest.RunBlobs(t, open(t, connect(t)).Blobs()) }

// TestTwoProcesses: a job that one server accepted is there for another at once,
// and the limit is that of all.
func TestTwoProcesses(t *testing.T) {
	ctx := context.Background()
	conn := connect(t)
	a, b := open(t, conn), open(t, conn)
	for i := range storetest.Limit {
		j, err := []*nats.Store{a, b}[i%2].Accept(ctx, storetest.New("k"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := []*nats.Store{b, a}[i%2].Get(ctx, j.ID); err != nil {
			t.Errorf("accepted by one, asked of the other: %v", err)
		}
	}
	for _, s := range []*nats.Store{a, b} {
		if _, err := s.Accept(ctx, storetest.New("k")); err != store.ErrFull {
			t.Errorf("beyond the limit: error %v", err)
		}
	}
	if err := a.Announce(ctx, "worker-1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if members, err := b.Members(ctx); err != nil || string(members["worker-1"]) != "x" {
		t.Errorf("members %v, error %v", members, err)
	}
	if err := a.Leave(ctx, "worker-1"); err != nil {
		t.Fatal(err)
	}
	if members, err := b.Members(ctx); err != nil || len(members) != 0 {
		t.Errorf("members %v, error %v", members, err)
	}
}
