// Package load measures a server by a bounded load from this machine: latency,
// pictures a second, the queue, and memory.
package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/ldm-go/ldm/serve/client"
)

// Options of a load.
type Options struct {
	URL      string // of a server on this machine
	Requests int    // in all
	Clients  int    // at once
	Request  client.Request
}

// limit bounds a load: it is to end by itself, soon.
const limit = 10000

// Report is what was measured.
type Report struct {
	Clients, Pictures int
	Refused           int // while the queue was full; they were sent again
	Took              time.Duration
	Latency           []time.Duration // of every request, sorted
}

// Run sends the load and waits for all of it. Servers that are not on this
// machine are refused.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := loopback(o.URL); err != nil {
		return Report{}, err
	}
	if o.Requests < 1 || o.Requests > limit || o.Clients < 1 || o.Clients > 256 {
		return Report{}, fmt.Errorf("%d requests of %d clients: want 1 to %d of 1 to 256", o.Requests, o.Clients, limit)
	}
	r := Report{Clients: o.Clients}
	var mu sync.Mutex
	next := 0
	var failed error
	var wg sync.WaitGroup
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	began := time.Now()
	for range min(o.Clients, o.Requests) {
		wg.Go(func() {
			c := client.Client{URL: o.URL}
			for {
				mu.Lock()
				seed := int64(next)
				next++
				mu.Unlock()
				if seed >= int64(o.Requests) || ctx.Err() != nil {
					return
				}
				one := o.Request
				one.Seed = &seed
				took, refused, err := send(ctx, &c, one)
				mu.Lock()
				r.Refused += refused
				if err != nil {
					failed = cmp.Or(failed, err)
					stop()
				} else {
					r.Latency = append(r.Latency, took)
					r.Pictures += max(one.N, 1)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	r.Took = time.Since(began)
	slices.Sort(r.Latency)
	return r, failed
}

// send runs a request, again while the queue is full.
func send(ctx context.Context, c *client.Client, r client.Request) (took time.Duration, refused int, err error) {
	began := time.Now()
	for {
		_, err = c.Run(ctx, r, nil)
		var e *client.Error
		if !errors.As(err, &e) || !e.Busy() {
			return time.Since(began), refused, err
		}
		refused++
		select {
		case <-ctx.Done():
			return 0, refused, ctx.Err()
		case <-time.After(min(max(e.RetryAfter, 50*time.Millisecond), time.Second)):
		}
	}
}

func loopback(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s is not on this machine: loads go to loopback alone", u.Host)
	}
	return nil
}

// Quantile is the latency that a share of the requests did not exceed.
func (r Report) Quantile(share float64) time.Duration {
	if len(r.Latency) == 0 {
		return 0
	}
	return r.Latency[min(int(share*float64(len(r.Latency))), len(r.Latency)-1)]
}

// Header names the columns of WriteTo's line.
const Header = "clients  pictures  pictures/s  latency p50     p99  refused"

// Write writes a line of the report.
func (r Report) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%7d  %8d  %10.2f  %11s  %6s  %7d\n", r.Clients, r.Pictures, float64(r.Pictures)/r.Took.Seconds(),
		r.Quantile(.5).Round(time.Millisecond), r.Quantile(.99).Round(time.Millisecond), r.Refused)
	return err
}
