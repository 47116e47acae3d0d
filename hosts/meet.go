package hosts

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ldm-go/ldm/fault"
)

// hello is what both sides of a connection say first.
type hello struct {
	Protocol int
	Rank     int
	Hosts    []string
	Refused  string `json:",omitempty"` // why the connection ends here
}

const (
	protocol    = 1
	mostHello   = 1 << 16          // bytes
	shaking     = 10 * time.Second // for TLS and the hellos
	defaultWait = 10 * time.Minute
)

// met is a process that was reached, or the error that ends the waiting.
type met struct {
	link *link
	err  error
}

// meet connects this process to all others: it calls those of lower rank, and is called
// by those of higher.
func meet(ctx context.Context, o Options) ([]*link, error) {
	conf, err := secured(o.Token)
	if err != nil {
		return nil, err
	}
	wait := o.Wait
	if wait == 0 {
		wait = defaultWait
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_, port, _ := net.SplitHostPort(o.Addresses[o.Rank])
	at := ":" + port
	if host, _, _ := net.SplitHostPort(o.Addresses[o.Rank]); local(host) {
		at = o.Addresses[o.Rank] // not to be reached from elsewhere
	}
	listener, err := net.Listen("tcp", at)
	if err != nil {
		return nil, fault.Inputf("rank %d is to listen at %s: %w", o.Rank, o.Addresses[o.Rank], err)
	}
	defer listener.Close()
	found := make(chan met, 4*mostProcesses)
	for rank := range o.Rank {
		go func() { found <- call(ctx, o, conf, rank) }()
	}
	go answer(ctx, o, conf, listener, found)
	links := make([]*link, len(o.Addresses))
	fail := func(err error) ([]*link, error) {
		for _, l := range links {
			if l != nil {
				l.conn.Close()
			}
		}
		return nil, err
	}
	o.line("rank %d of %d waits for the others", o.Rank, len(o.Addresses))
	for missing := len(links) - 1; missing > 0; {
		select {
		case m := <-found:
			switch {
			case m.err != nil:
				return fail(m.err)
			case links[m.link.rank] != nil: // an earlier try of a process that was started anew
				links[m.link.rank].conn.Close()
			default:
				missing--
			}
			links[m.link.rank] = m.link
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fail(ctx.Err())
			}
			var absent []string
			for rank, l := range links {
				if l == nil && rank != o.Rank {
					absent = append(absent, fmt.Sprintf("rank %d (%s)", rank, o.Addresses[rank]))
				}
			}
			return fail(fmt.Errorf("%s did not come within %s: is it started, with the same token?", strings.Join(absent, ", "), wait))
		}
	}
	return links, nil
}

func (o Options) line(format string, args ...any) {
	if o.Line != nil {
		o.Line(fmt.Sprintf(format, args...))
	}
}

// call connects to a process of lower rank, which may not be there yet.
func call(ctx context.Context, o Options, conf *tls.Config, rank int) met {
	dialer := net.Dialer{Timeout: shaking}
	said := ""
	for {
		conn, err := dialer.DialContext(ctx, "tcp", o.Addresses[rank])
		if err == nil {
			var l *link
			if l, err = o.greet(tls.Client(conn, conf), rank); err == nil {
				return met{link: l}
			}
			conn.Close()
			if fault.Kind(err) != nil { // waiting does not mend it
				return met{err: err}
			}
			if said != err.Error() {
				said = err.Error()
				o.line("rank %d (%s): %v; trying on", rank, o.Addresses[rank], err)
			}
		}
		select {
		case <-ctx.Done():
			return met{err: ctx.Err()}
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// answer accepts processes of higher rank. Who does not know the token is turned away.
func answer(ctx context.Context, o Options, conf *tls.Config, listener net.Listener, found chan<- met) {
	turns := make(chan struct{}, 64) // handshakes at a time
	var refused atomic.Int32
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		turns <- struct{}{}
		go func() {
			defer func() { <-turns }()
			l, err := o.greet(tls.Server(conn, conf), -1)
			if err == nil && ctx.Err() == nil {
				found <- met{link: l}
				return
			}
			conn.Close()
			if err != nil && !errors.Is(err, io.EOF) && refused.Add(1) <= 10 {
				o.line("a connection from %s was refused: %v", conn.RemoteAddr(), err)
			}
		}()
	}
}

// greet shakes hands over a new connection, with the process of that rank or, at -1, with
// one of any higher rank.
func (o Options) greet(conn *tls.Conn, rank int) (*link, error) {
	conn.SetDeadline(time.Now().Add(shaking))
	if err := conn.Handshake(); err != nil {
		if strings.Contains(err.Error(), "another token") || strings.Contains(err.Error(), "bad certificate") {
			return nil, errors.New("it has another token")
		}
		return nil, fmt.Errorf("no handshake: %w", err)
	}
	mine := hello{Protocol: protocol, Rank: o.Rank, Hosts: o.Addresses}
	if rank >= 0 {
		if err := writeHello(conn, mine); err != nil {
			return nil, err
		}
	}
	theirs, err := readHello(conn)
	if err != nil {
		return nil, err
	}
	refusal := o.differs(theirs, rank)
	if rank < 0 {
		mine.Refused = refusal
		if err := writeHello(conn, mine); err != nil {
			return nil, err
		}
	}
	if refusal != "" {
		return nil, fault.Inputf("%s", refusal)
	}
	conn.SetDeadline(time.Time{})
	return newLink(theirs.Rank, o.Addresses[theirs.Rank], conn), nil
}

// differs says why a process cannot take part, or nothing.
func (o Options) differs(theirs hello, rank int) string {
	switch {
	case theirs.Refused != "":
		return theirs.Refused
	case theirs.Protocol != protocol:
		return fmt.Sprintf("rank %d speaks protocol %d and rank %d protocol %d: want the same ldm everywhere", o.Rank, protocol, theirs.Rank, theirs.Protocol)
	case !slices.Equal(theirs.Hosts, o.Addresses):
		return fmt.Sprintf("rank %d has hosts %s and rank %d %s: want the same list everywhere", o.Rank, strings.Join(o.Addresses, ","), theirs.Rank, strings.Join(theirs.Hosts, ","))
	case theirs.Rank == o.Rank:
		return fmt.Sprintf("two processes have rank %d", o.Rank)
	case rank >= 0 && theirs.Rank != rank:
		return fmt.Sprintf("%s is to be rank %d and says that it is rank %d", o.Addresses[rank], rank, theirs.Rank)
	case theirs.Rank < 0 || theirs.Rank >= len(o.Addresses) || rank < 0 && theirs.Rank < o.Rank:
		return fmt.Sprintf("rank %d called, which is not to", theirs.Rank)
	}
	return ""
}

func writeHello(w io.Writer, h hello) error {
	raw, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(raw))), raw...))
	return err
}

func readHello(r io.Reader) (h hello, err error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return h, err
	}
	n := binary.LittleEndian.Uint32(size[:])
	if n > mostHello {
		return h, fmt.Errorf("a greeting of %d bytes: want at most %d", n, mostHello)
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(r, raw); err != nil {
		return h, err
	}
	err = json.Unmarshal(raw, &h)
	return h, err
}
