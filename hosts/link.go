package hosts

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A message is a head of 16 bytes, its kind, the length of its body and a number, and
// the body: float32 in little endian, or bytes.
const headSize = 16

// The kinds of messages.
const (
	kindBeat  = iota + 1 // a sign of life; no body
	kindLeave            // the sender ends: a byte of flags, and a text
	kindNote             // of a Gather, whose number it has
	kindPiece            // numbers that the receiver sums
	kindTotal            // sums, or what Broadcast sends
)

// Flags of a process that ends.
const (
	flagSaved    = 1 << iota // what it has come to is saved
	flagFinished             // nothing went wrong
)

const (
	mostBody = 1 << 18  // bytes of a message of numbers; longer arrays take several
	mostNote = 64 << 20 // bytes of a note
	mostText = 1 << 12  // bytes of what a leaving process says
)

// link is the connection to one process.
type link struct {
	rank    int
	address string
	conn    net.Conn
	heard   atomic.Int64  // when bytes last came, in nanoseconds
	gone    chan struct{} // closed when the connection has ended
	lost    *Lost         // why; to be read after

	writing sync.Mutex
	head    [headSize]byte
	out     []byte // of numbers on their way

	mu      sync.Mutex
	notes   map[uint64][]byte
	wanted  map[slot]*target
	changed chan struct{} // replaced at every note
}

// slot names numbers that are expected.
type slot struct {
	kind   uint8
	number uint64
}

// target is where they are written.
type target struct {
	from *link
	dst  []float32
	got  int
	done chan struct{}
}

func newLink(rank int, address string, conn net.Conn) *link {
	l := &link{rank: rank, address: address, conn: conn, gone: make(chan struct{}), notes: map[uint64][]byte{}, wanted: map[slot]*target{}, changed: make(chan struct{})}
	l.heard.Store(time.Now().UnixNano())
	return l
}

// String names the process.
func (l *link) String() string { return fmt.Sprintf("rank %d (%s)", l.rank, l.address) }

// send writes one message.
func (l *link) send(kind uint8, number uint64, body []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.write(kind, number, body)
}

func (l *link) write(kind uint8, number uint64, body []byte) error {
	l.head = [headSize]byte{kind}
	binary.LittleEndian.PutUint32(l.head[4:], uint32(len(body)))
	binary.LittleEndian.PutUint64(l.head[8:], number)
	if _, err := l.conn.Write(l.head[:]); err != nil || len(body) == 0 {
		return err
	}
	_, err := l.conn.Write(body)
	return err
}

// sendNumbers writes an array in messages of bounded length, between which others may come.
func (l *link) sendNumbers(kind uint8, number uint64, v []float32) error {
	for len(v) > 0 {
		n := min(len(v), mostBody/4)
		if err := l.sendSome(kind, number, v[:n]); err != nil {
			return err
		}
		v = v[n:]
	}
	return nil
}

func (l *link) sendSome(kind uint8, number uint64, v []float32) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.out == nil {
		l.out = make([]byte, mostBody)
	}
	for i, x := range v {
		binary.LittleEndian.PutUint32(l.out[4*i:], math.Float32bits(x))
	}
	return l.write(kind, number, l.out[:4*len(v)])
}

// expect says where numbers will come to. It has to be called before the other side may
// send them, so that reading never waits.
func (l *link) expect(kind uint8, number uint64, dst []float32) *target {
	t := &target{from: l, dst: dst, done: make(chan struct{})}
	if len(dst) == 0 {
		close(t.done)
		return t
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted[slot{kind, number}] = t
	return t
}

// forget ends all expectations: nothing is written any more once it returns.
func (l *link) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.wanted)
}

// note is the body of a Gather's message, once it is there; else a channel that is
// closed when another has come.
func (l *link) note(number uint64) (body []byte, ok bool, later <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if body, ok = l.notes[number]; ok {
		delete(l.notes, number)
	}
	return body, ok, l.changed
}

// leaving is what a process said before it ended.
type leaving struct {
	flags byte
	text  string
}

func (e *leaving) Error() string { return e.text }

// receive reads messages until the connection ends; the error says why. It never waits
// for anything but the network.
func (l *link) receive() error {
	r := &hearing{l}
	head, buffer := make([]byte, headSize), make([]byte, mostBody)
	for {
		if _, err := io.ReadFull(r, head); err != nil {
			return err
		}
		kind, length, number := head[0], int(binary.LittleEndian.Uint32(head[4:])), binary.LittleEndian.Uint64(head[8:])
		var err error
		switch {
		case kind == kindBeat && length == 0:
		case kind == kindLeave && length >= 1 && length <= mostText:
			if _, err = io.ReadFull(r, buffer[:length]); err == nil {
				return &leaving{buffer[0], string(buffer[1:length])}
			}
		case kind == kindNote && length <= mostNote:
			err = l.takeNote(r, number, length)
		case (kind == kindPiece || kind == kindTotal) && length <= mostBody && length%4 == 0:
			if _, err = io.ReadFull(r, buffer[:length]); err == nil {
				err = l.takeNumbers(slot{kind, number}, buffer[:length])
			}
		default:
			err = fmt.Errorf("it sent a message of kind %d and %d bytes, which there is not", kind, length)
		}
		if err != nil {
			return err
		}
	}
}

// mostWaiting bounds the notes of a process that is ahead: it cannot be by more than one
// Gather.
const mostWaiting = 2

func (l *link) takeNote(r io.Reader, number uint64, length int) error {
	body, err := io.ReadAll(io.LimitReader(r, int64(length))) // memory grows with what comes, not with what is said
	if err != nil || len(body) < length {
		return fmt.Errorf("its connection ended within a message: %w", io.ErrUnexpectedEOF)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.notes) >= mostWaiting {
		return fmt.Errorf("it is at message %d before others have come so far", number)
	}
	l.notes[number] = body
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

func (l *link) takeNumbers(s slot, raw []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.wanted[s]
	if t == nil || len(raw)/4 > len(t.dst)-t.got {
		return fmt.Errorf("it sent %d numbers that nothing waits for", len(raw)/4)
	}
	for i := range len(raw) / 4 {
		t.dst[t.got+i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	if t.got += len(raw) / 4; t.got == len(t.dst) {
		delete(l.wanted, s)
		close(t.done)
	}
	return nil
}

// hearing notes when bytes come.
type hearing struct{ *link }

func (h *hearing) Read(p []byte) (int, error) {
	n, err := h.conn.Read(p)
	if n > 0 {
		h.heard.Store(time.Now().UnixNano())
	}
	return n, err
}
