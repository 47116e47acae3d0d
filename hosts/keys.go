package hosts

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/ldm-go/ldm/fault"
)

// KeyServer is a store of small values that one process keeps for all of a job: plugins
// of accelerators find each other's devices by it, and start communication between them.
// Only who knows the token can read or write; jobs do not see each other's keys, so that
// an earlier attempt leaves nothing for the next, if that is a job of its own.
type KeyServer struct {
	server *http.Server
	mu     sync.Mutex
	values map[string][]byte // by job and key
	bytes  int
	more   chan struct{} // closed and replaced when a value comes
}

// Bounds of a store.
const (
	mostValue = 1 << 20   // bytes of a value
	mostKept  = 256 << 20 // bytes of all keys and values
	mostPause = 10 * time.Second
)

// ServeKeys answers at a listener until Close.
func ServeKeys(l net.Listener, token string) (*KeyServer, error) {
	if len(token) < shortestToken {
		return nil, fault.Inputf("the token of the store has %d characters: want at least %d", len(token), shortestToken)
	}
	conf, err := secured(token)
	if err != nil {
		return nil, err
	}
	s := &KeyServer{values: map[string][]byte{}, more: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /{job}/{key}", s.put)
	mux.HandleFunc("GET /{job}/{key}", s.get)
	s.server = &http.Server{
		Handler: mux, TLSConfig: conf, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		MaxHeaderBytes: 1 << 16, ErrorLog: log.New(io.Discard, "", 0),
	}
	go s.server.ServeTLS(l, "", "")
	return s, nil
}

// Close ends the store.
func (s *KeyServer) Close() error { return s.server.Close() }

func place(r *http.Request) string { return r.PathValue("job") + "/" + r.PathValue("key") }

func (s *KeyServer) put(w http.ResponseWriter, r *http.Request) {
	value, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostValue))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	at := place(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch _, there := s.values[at]; {
	case there:
		http.Error(w, "the key has a value", http.StatusConflict)
	case s.bytes+len(at)+len(value) > mostKept:
		http.Error(w, "the store is full", http.StatusInsufficientStorage)
	default:
		s.values[at] = value
		s.bytes += len(at) + len(value)
		close(s.more)
		s.more = make(chan struct{})
		w.WriteHeader(http.StatusCreated)
	}
}

// get answers with a value, for which it waits so many milliseconds as the query says.
func (s *KeyServer) get(w http.ResponseWriter, r *http.Request) {
	pause, _ := strconv.Atoi(r.URL.Query().Get("wait"))
	late := time.NewTimer(min(time.Duration(max(pause, 0))*time.Millisecond, mostPause))
	defer late.Stop()
	for {
		s.mu.Lock()
		value, there := s.values[place(r)]
		more := s.more
		s.mu.Unlock()
		if there {
			w.Write(value)
			return
		}
		select {
		case <-more:
		case <-late.C:
			http.NotFound(w, r)
			return
		case <-r.Context().Done():
			return
		}
	}
}

// Keys is a job's part of the store of a KeyServer. Its methods may be called from any
// goroutine.
type Keys struct {
	client *http.Client
	base   string
}

// NewKeys returns the store at an address for a job, a name that every attempt has anew.
func NewKeys(address, token, job string) (*Keys, error) {
	if job == "" {
		return nil, fault.Inputf("the job has no name")
	}
	conf, err := secured(token)
	if err != nil {
		return nil, err
	}
	return &Keys{
		client: &http.Client{Transport: &http.Transport{TLSClientConfig: conf, MaxIdleConnsPerHost: 8}},
		base:   "https://" + address + "/" + base64.RawURLEncoding.EncodeToString([]byte(job)) + "/",
	}, nil
}

func (k *Keys) url(key string) string {
	return k.base + "k" + base64.RawURLEncoding.EncodeToString([]byte(key))
}

// Put sets a value; a key that has one is an fs.ErrExist.
func (k *Keys) Put(key string, value []byte) error {
	r, err := http.NewRequest(http.MethodPut, k.url(key), bytes.NewReader(value))
	if err != nil {
		return err
	}
	_, err = k.do(r, key)
	return err
}

// TryGet is a value; a key without one is an fs.ErrNotExist.
func (k *Keys) TryGet(key string) ([]byte, error) {
	return k.within(context.Background(), key, 0)
}

// Get waits for a value, at most so long: then it is a context.DeadlineExceeded. A
// server that is not there yet is waited for, too.
func (k *Keys) Get(key string, timeout time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for {
		value, err := k.within(ctx, key, mostPause)
		if err == nil {
			return value, nil
		}
		var late net.Error
		if !errors.Is(err, fs.ErrNotExist) && !errors.As(err, &late) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("key %q has no value after %s: %w", key, timeout, context.DeadlineExceeded)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (k *Keys) within(ctx context.Context, key string, pause time.Duration) ([]byte, error) {
	if end, ok := ctx.Deadline(); ok {
		pause = min(pause, max(time.Until(end), 0))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s?wait=%d", k.url(key), pause.Milliseconds()), nil)
	if err != nil {
		return nil, err
	}
	return k.do(r, key)
}

func (k *Keys) do(r *http.Request, key string) ([]byte, error) {
	answer, err := k.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostValue+1))
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode == http.StatusConflict:
		return nil, fmt.Errorf("key %q: %w", key, fs.ErrExist)
	case answer.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("key %q: %w", key, fs.ErrNotExist)
	case answer.StatusCode >= 300:
		return nil, fmt.Errorf("key %q: %s: %s", key, answer.Status, said(string(body)))
	}
	return body, nil
}
