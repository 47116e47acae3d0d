// Package client makes pictures on a server of this project (ldm serve), over its
// interface of jobs.
//
//	c := client.Client{URL: "http://127.0.0.1:7860"}
//	job, err := c.Run(ctx, client.Request{Prompt: "a red apple"}, func(p client.Progress) { ... })
//	...
//	png, err := c.Picture(ctx, job.Images[0])
package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Client is a server's address with what it wants to be asked with.
type Client struct {
	URL  string       // as http://127.0.0.1:7860
	Key  string       // API key, or ""
	HTTP *http.Client // nil: http.DefaultClient
}

// Request asks for pictures. What is nil or zero takes the model's default.
type Request struct {
	Type           string    `json:"type,omitempty"`
	Model          string    `json:"model,omitempty"`
	Prompt         string    `json:"prompt,omitempty"`
	NegativePrompt string    `json:"negative_prompt,omitempty"`
	N              int       `json:"n,omitempty"`
	Seed           *int64    `json:"seed,omitempty"`
	Width          int       `json:"width,omitempty"`
	Height         int       `json:"height,omitempty"`
	Steps          int       `json:"steps,omitempty"`
	CFGScale       *float64  `json:"cfg_scale,omitempty"`
	Sampler        string    `json:"sampler,omitempty"`
	Scheduler      string    `json:"scheduler,omitempty"`
	Eta            *float64  `json:"eta,omitempty"`
	ClipSkip       int       `json:"clip_skip,omitempty"`
	Class          any       `json:"class,omitempty"`      // a number or a name
	InitImage      []byte    `json:"init_image,omitempty"` // a picture's file
	Mask           []byte    `json:"mask,omitempty"`       // white is made anew
	MaskBlur       float64   `json:"mask_blur,omitempty"`
	Strength       *float64  `json:"strength,omitempty"`
	Controls       []Control `json:"controls,omitempty"`
	Database       string    `json:"database,omitempty"` // of a retrieval-augmented model
	Neighbours     int       `json:"neighbours,omitempty"`

	// What is given up for speed.
	TokenMerging     float64   `json:"token_merging,omitempty"`
	DeepCache        int       `json:"deep_cache,omitempty"`
	DeepCacheBranch  int       `json:"deep_cache_branch,omitempty"`
	AdaptiveGuidance float64   `json:"adaptive_guidance,omitempty"`
	CFGInterval      []float64 `json:"cfg_interval,omitempty"` // two shares of the steps

	OutputFormat string            `json:"output_format,omitempty"`
	PreviewEvery int               `json:"preview_every,omitempty"`
	Priority     string            `json:"priority,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
}

// Control ties the pictures to the structure of another, by a ControlNet of the server.
type Control struct {
	Model    string   `json:"model"`
	Image    []byte   `json:"image"` // a picture's file
	Strength *float64 `json:"strength,omitempty"`
	Start    float64  `json:"start,omitempty"`
	End      *float64 `json:"end,omitempty"`
	Resize   string   `json:"resize,omitempty"` // stretch, crop or pad
}

// Job is a request as the server has it.
type Job struct {
	ID       string          `json:"id"`
	Status   string          `json:"status"` // queued, running, succeeded, failed or cancelled
	Position int             `json:"queue_position"`
	Request  json.RawMessage `json:"request"` // with the defaults and the seed that were used
	Warnings []string        `json:"warnings"`
	Images   []Image         `json:"images"`
	Error    *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// Image is a finished picture.
type Image struct {
	Index    int    `json:"index"`
	Seed     int64  `json:"seed"`
	URL      string `json:"url"`
	Width    int    `json:"width"`
	Height   int    `json:"height"`
	Infotext string `json:"infotext"`
}

// Progress is how far a job is.
type Progress struct {
	Step     int      `json:"step"`
	Steps    int      `json:"steps"`
	Image    int      `json:"image"`
	Images   int      `json:"images"`
	Fraction float64  `json:"fraction"`
	Left     *float64 `json:"eta_seconds"` // nil: not known
}

// Error is a refusal of the server.
type Error struct {
	Status     int
	Code       string
	Param      string // the field that it is about
	Message    string
	RetryAfter time.Duration // 0: not said
}

func (e *Error) Error() string { return fmt.Sprintf("the server refuses: %s", e.Message) }

// Busy tells whether the server would take the same request later.
func (e *Error) Busy() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
}

// ErrFailed is the error of a job that was accepted and did not succeed.
var ErrFailed = errors.New("the job failed")

// Accept sends a request; the server has it safe when Accept returns. The same
// idempotency key is the same job.
func (c *Client) Accept(ctx context.Context, r Request, idempotencyKey string) (*Job, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if idempotencyKey != "" {
		h.Set("Idempotency-Key", idempotencyKey)
	}
	var j Job
	return &j, c.call(ctx, http.MethodPost, "/v1/jobs", h, bytes.NewReader(body), &j)
}

// Get returns a job as it is now.
func (c *Client) Get(ctx context.Context, id string) (*Job, error) {
	var j Job
	return &j, c.call(ctx, http.MethodGet, "/v1/jobs/"+id, nil, nil, &j)
}

// Cancel ends a job that has not ended, and removes one that has.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/jobs/"+id, nil, nil, nil)
}

// Picture returns the file of a finished picture.
func (c *Client) Picture(ctx context.Context, img Image) ([]byte, error) {
	resp, err := c.do(ctx, http.MethodGet, img.URL, nil, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// Run accepts a request and returns the job when it has succeeded. If ctx ends,
// the job is cancelled. tell, if not nil, is told of the progress.
func (c *Client) Run(ctx context.Context, r Request, tell func(Progress)) (*Job, error) {
	j, err := c.Accept(ctx, r, "")
	if err != nil {
		return nil, err
	}
	done, err := c.Follow(ctx, j.ID, tell)
	if ctx.Err() != nil {
		clean, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		c.Cancel(clean, j.ID)
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	switch {
	case done.Status == "succeeded":
		return done, nil
	case done.Error != nil:
		return done, fmt.Errorf("%w: %s", ErrFailed, done.Error.Message)
	}
	return done, fmt.Errorf("%w: it is %s", ErrFailed, done.Status)
}

// Follow reads the events of a job until it has ended, and goes on where it was
// when the connection breaks.
func (c *Client) Follow(ctx context.Context, id string, tell func(Progress)) (*Job, error) {
	const patience = 20
	last := 0
	for failures := 0; ; failures++ {
		j, err := c.events(ctx, id, &last, tell)
		var refused *Error
		if j != nil || ctx.Err() != nil || errors.As(err, &refused) && !refused.Busy() || failures == patience {
			return j, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// events reads one connection's events; the job is nil if it breaks.
func (c *Client) events(ctx context.Context, id string, last *int, tell func(Progress)) (*Job, error) {
	h := http.Header{}
	if *last > 0 {
		h.Set("Last-Event-ID", strconv.Itoa(*last))
	}
	resp, err := c.do(ctx, http.MethodGet, "/v1/jobs/"+id+"/events", h, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 64<<20)
	name := ""
	for lines.Scan() {
		line := lines.Text()
		if text, ok := strings.CutPrefix(line, "id: "); ok {
			*last, _ = strconv.Atoi(text)
		}
		if text, ok := strings.CutPrefix(line, "event: "); ok {
			name = text
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		switch name {
		case "progress":
			var p Progress
			if tell != nil && json.Unmarshal([]byte(data), &p) == nil {
				tell(p)
			}
		case "done":
			var j Job
			return &j, json.Unmarshal([]byte(data), &j)
		}
	}
	return nil, lines.Err()
}

// call sends a request and decodes the answer.
func (c *Client) call(ctx context.Context, method, path string, h http.Header, body io.Reader, into any) error {
	resp, err := c.do(ctx, method, path, h, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// do sends a request; an answer other than 2xx is an *Error.
func (c *Client) do(ctx context.Context, method, path string, h http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, body)
	if err != nil {
		return nil, err
	}
	if h != nil {
		req.Header = h
	}
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	hc := c.HTTP
	if hc == nil {
		hc = http.DefaultClient
	}
	resp, err := hc.Do(req)
	if err != nil || resp.StatusCode/100 == 2 {
		return resp, err
	}
	defer resp.Body.Close()
	return nil, refusal(resp)
}

func refusal(resp *http.Response) error {
	e := &Error{Status: resp.StatusCode, Message: resp.Status}
	var body struct {
		Error struct {
			Message string  `json:"message"`
			Code    *string `json:"code"`
			Param   *string `json:"param"`
		} `json:"error"`
	}
	if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&body) == nil && body.Error.Message != "" {
		e.Message = body.Error.Message
		if body.Error.Code != nil {
			e.Code = *body.Error.Code
		}
		if body.Error.Param != nil {
			e.Param = *body.Error.Param
		}
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}
