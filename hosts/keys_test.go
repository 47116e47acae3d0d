package hosts

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"testing"
	"time"
)

// TestKeys: a store does what plugins want of it, apart for each job, and for those
// alone who know the token.
func TestKeys(t *testing.T) {
	const token = "a secret of the test"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ServeKeys(l, token)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	open := func(token, job string) *Keys {
		k, err := NewKeys(l.Addr().String(), token, job)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	one, other := open(token, "one/1"), open(token, "other")
	value := []byte("\x00\xffvalue")
	if err := one.Put("a/b?c", value); err != nil {
		t.Fatal(err)
	}
	if err := one.Put("a/b?c", value); !errors.Is(err, fs.ErrExist) {
		t.Errorf("put twice: %v", err)
	}
	if got, err := one.TryGet("a/b?c"); err != nil || !bytes.Equal(got, value) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := other.TryGet("a/b?c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another job's key: %v", err)
	}
	if _, err := one.Get("late", 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a key that does not come: %v", err)
	}
	go func() {
		time.Sleep(50 * time.Millisecond)
		one.Put("late", nil)
	}()
	if got, err := one.Get("late", 20*time.Second); err != nil || len(got) != 0 {
		t.Errorf("a key that comes late: %q, %v", got, err)
	}
	if err := one.Put("large", make([]byte, mostValue+1)); err == nil {
		t.Error("a value over the bound is kept")
	}
	stranger := open("another secret of 16", "one/1")
	if got, err := stranger.TryGet("a/b?c"); err == nil {
		t.Errorf("a stranger reads %q", got)
	}
	if _, err := ServeKeys(l, "short"); err == nil {
		t.Error("a short token is accepted")
	}
}
