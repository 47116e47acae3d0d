// Package job says what a job of the server is: what was asked for, how far it
// is, and what came of it. All families of the interface make the same jobs.
package job

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Status is where a job is in its life.
type Status string

// The statuses of a job. The last three are final.
const (
	Queued    Status = "queued"
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Final tells whether a job of this status changes no more.
func (s Status) Final() bool { return s == Succeeded || s == Failed || s == Cancelled }

// ParseStatus reads a status; the empty text is that of any job.
func ParseStatus(text string) (Status, error) {
	switch s := Status(text); s {
	case "", Queued, Running, Succeeded, Failed, Cancelled:
		return s, nil
	}
	return "", fmt.Errorf("status %q: want queued, running, succeeded, failed or cancelled", text)
}

// Job is a request with its state. It is stored as JSON; times are UTC.
type Job struct {
	ID         string          `json:"id"`
	Key        string          `json:"key"`    // name of the API key it came with, or ""
	Family     Family          `json:"family"` // the interface that it came through
	Idempotent string          `json:"idempotent,omitempty"`
	Digest     string          `json:"digest,omitempty"`   // of the body, to tell other requests of the same idempotency key
	Attached   string          `json:"attached,omitempty"` // the API server that a client waits at: the job ends with it
	Status     Status          `json:"status"`
	Request    Request         `json:"request"`
	Warnings   []string        `json:"warnings,omitempty"`
	Created    time.Time       `json:"created"`
	Started    time.Time       `json:"started,omitzero"`
	Finished   time.Time       `json:"finished,omitzero"`
	Attempts   int             `json:"attempts"`
	Worker     string          `json:"worker,omitempty"`
	Lease      time.Time       `json:"lease,omitzero"` // until when the worker's claim holds
	Images     []Image         `json:"images,omitempty"`
	Error      *Error          `json:"error,omitempty"`
	Extra      json.RawMessage `json:"extra,omitempty"` // what the family keeps for its answer
}

// Family is an interface of the server.
type Family string

// The interfaces.
const (
	OpenAI Family = "openai"
	A1111  Family = "a1111"
	Jobs   Family = "jobs"
)

// Image is a finished picture of a job; its bytes are a blob named by the digest.
type Image struct {
	Index    int    `json:"index"`
	Seed     int64  `json:"seed"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Bytes    int64  `json:"bytes"`
	SHA256   string `json:"sha256"`
	Media    string `json:"media"` // its media type
	Infotext string `json:"infotext"`
}

// Error is why a job failed.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Code is a kind of failure.
type Code string

// The kinds of failure.
const (
	OutOfMemory   Code = "out_of_memory"
	Timeout       Code = "timeout"
	NaN           Code = "nan"
	WorkerLost    Code = "worker_lost"
	InternalError Code = "internal_error"
	InvalidInput  Code = "invalid_input"
)

// MaxAttempts is how often a job may lose its worker before it fails.
const MaxAttempts = 3

// alphabet is Crockford's base 32, as ULIDs have it.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewID returns a name with 80 random bits that sorts by time.
func NewID(now time.Time) string {
	var random [16]byte // five bits of each count
	rand.Read(random[:])
	id := []byte("job_")
	ms := uint64(now.UnixMilli())
	for shift := 45; shift >= 0; shift -= 5 {
		id = append(id, alphabet[ms>>shift&31])
	}
	for _, b := range random {
		id = append(id, alphabet[b&31])
	}
	return string(id)
}

// ValidID tells whether a text has the form of NewID, before it goes anywhere
// near a file's name.
func ValidID(id string) bool {
	rest, ok := strings.CutPrefix(id, "job_")
	if !ok || len(rest) != 26 {
		return false
	}
	for _, c := range rest {
		if !strings.ContainsRune(alphabet, c) {
			return false
		}
	}
	return true
}

// Created is the time that is in an ID, or the zero time.
func Created(id string) time.Time {
	if !ValidID(id) {
		return time.Time{}
	}
	var ms int64
	for _, c := range id[len("job_"):][:10] {
		ms = ms<<5 | int64(strings.IndexRune(alphabet, c))
	}
	return time.UnixMilli(ms).UTC()
}
