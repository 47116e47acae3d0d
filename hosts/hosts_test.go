package hosts

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ldm-go/ldm/internal/testsize"
)

// addresses are n free ports of this machine.
func addresses(t testing.TB, n int) []string {
	t.Helper()
	var list []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list
}

// together runs a group of n in this process, and returns the errors by rank.
func together(t testing.TB, n int, do func(g *Group) error) []error {
	t.Helper()
	list := addresses(t, n)
	errs := make([]error, n)
	var all sync.WaitGroup
	for rank := range n {
		all.Add(1)
		go func() {
			defer all.Done()
			g, err := Join(context.Background(), Options{Addresses: list, Rank: rank, Token: "a secret of the test", Wait: 20 * time.Second})
			if err != nil {
				errs[rank] = err
				return
			}
			errs[rank] = do(g)
			g.Close(errs[rank], true)
		}()
	}
	all.Wait()
	return errs
}

func noErrors(t *testing.T, errs []error) {
	t.Helper()
	for rank, err := range errs {
		if err != nil {
			t.Errorf("rank %d: %v", rank, err)
		}
	}
}

func numbers(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

func sameBits(a, b []float32) error {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return fmt.Errorf("number %d of %d: %g and %g", i, len(a), a[i], b[i])
		}
	}
	return nil
}

// TestSum: any number of processes computes Fold's bits, for arrays of no, few and many numbers.
func TestSum(t *testing.T) {
	for _, n := range []int{2, 3, 5} {
		sizes := []int{0, 1, n - 1, 1000, mostBody/4 + 7}
		if n == 2 && !testing.Short() {
			sizes = append(sizes, 2*blockLen+3)
		}
		noErrors(t, together(t, n, func(g *Group) error {
			for s, size := range sizes {
				all := make([][]float32, n)
				for rank := range all {
					all[rank] = numbers(uint64(100*s+rank), size)
				}
				own := append([]float32(nil), all[g.Rank()]...)
				want := Fold(all...)
				for i := range want {
					want[i] *= 1 / float32(n)
				}
				pieces := [][]float32{own[:size/3], {}, own[size/3:]}
				if err := g.Sum(context.Background(), pieces, pieces, 1/float32(n)); err != nil {
					return err
				}
				if err := sameBits(own, want); err != nil {
					return fmt.Errorf("%d numbers: %w", size, err)
				}
			}
			return nil
		}))
	}
}

// TestFold: sums of two, four and eight neighbours are parts of Fold's sum, and Series
// comes to the same.
func TestFold(t *testing.T) {
	for n := 1; n <= 17; n++ {
		draw := func() (all [][]float32) {
			for i := range n {
				all = append(all, numbers(uint64(i), 50))
			}
			return all
		}
		want := Fold(draw()...)
		var s Series
		for range 2 { // it begins anew
			for _, a := range draw() {
				s.Add(a[:7], a[7:])
			}
			if err := sameBits(s.Sum(), want); err != nil {
				t.Errorf("a series of %d: %v", n, err)
			}
		}
		for _, share := range []int{1, 2, 4, 8} {
			var parts [][]float32
			all := draw()
			for i := 0; i < n; i += share {
				parts = append(parts, Fold(all[i:min(i+share, n)]...))
			}
			if err := sameBits(Fold(parts...), want); err != nil {
				t.Errorf("%d by %d: %v", n, share, err)
			}
		}
	}
}

func TestGatherAndBroadcast(t *testing.T) {
	const n = 3
	noErrors(t, together(t, n, func(g *Group) error {
		for round := range 50 {
			notes, err := g.Gather(context.Background(), fmt.Appendf(nil, "%d of %d", round, g.Rank()))
			if err != nil {
				return err
			}
			for rank, note := range notes {
				if string(note) != fmt.Sprintf("%d of %d", round, rank) {
					return fmt.Errorf("round %d: rank %d said %q", round, rank, note)
				}
			}
			v := numbers(uint64(g.Rank()), 70_000)
			if err := g.Broadcast(context.Background(), round%n, v); err != nil {
				return err
			}
			if err := sameBits(v, numbers(uint64(round%n), 70_000)); err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestAgree(t *testing.T) {
	errs := together(t, 3, func(g *Group) error {
		facts := map[string]string{"version": "1", "train.seed": "23"}
		if g.Rank() == 2 {
			facts["train.seed"], facts["more"] = "24", "yes"
		}
		return g.Agree(context.Background(), facts)
	})
	for rank, err := range errs {
		want := "more (rank 0: none, rank 2: yes), train.seed (rank 0: 23, rank 2: 24)"
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("rank %d: %v, want %s", rank, err, want)
		}
	}
}

// TestOneStops: a process that leaves is named with its reason, and work of the others stops.
func TestOneStops(t *testing.T) {
	errs := together(t, 3, func(g *Group) error {
		if g.Rank() == 1 {
			return errors.New("NaN in layer 3")
		}
		ctx, stop := g.Watch(context.Background())
		defer stop()
		<-ctx.Done()
		var lost *Lost
		if err := context.Cause(ctx); !errors.As(err, &lost) || !strings.Contains(err.Error(), "stopped: NaN in layer 3") {
			return err
		}
		return nil
	})
	errs[1] = nil
	noErrors(t, errs)
}

// TestSilence: a process whose connection stands but says nothing is given up.
func TestSilence(t *testing.T) {
	testsize.Large(t) // it waits for eight seconds
	list := addresses(t, 2)
	o := Options{Addresses: list, Rank: 1, Token: "a secret of the test"}
	go func() { // rank 1 shakes hands and then stands still
		conf, _ := secured(o.Token)
		for {
			if conn, err := net.Dial("tcp", list[0]); err == nil {
				o.greet(tls.Client(conn, conf), 0)
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	g, err := Join(context.Background(), Options{Addresses: list, Rank: 0, Token: o.Token, Wait: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	_, err = g.Gather(context.Background(), nil)
	var lost *Lost
	if took := time.Since(begun); !errors.As(err, &lost) || lost.Rank != 1 || took > 10*time.Second {
		t.Errorf("after %v: %v", took, err)
	}
	g.Close(nil, true)
}

// TestStrangers: who does not know the token is not heard, and what is no greeting harms nothing.
func TestStrangers(t *testing.T) {
	list := addresses(t, 2)
	var told []string
	var mu sync.Mutex
	line := func(s string) { mu.Lock(); told = append(told, s); mu.Unlock() }
	go func() {
		for _, send := range []string{"", "GET / HTTP/1.1\r\n\r\n", strings.Repeat("\x16\x03\x01\x40\x00", 5000)} {
			for range 100 {
				conn, err := net.Dial("tcp", list[0])
				if err != nil {
					time.Sleep(20 * time.Millisecond)
					continue
				}
				io.WriteString(conn, send)
				conn.Close()
				break
			}
		}
		_, err := Join(context.Background(), Options{Addresses: list, Rank: 1, Token: "another secret of 16", Wait: 500 * time.Millisecond})
		if err == nil {
			t.Error("rank 1 is in with another token")
		}
		g, err := Join(context.Background(), Options{Addresses: list, Rank: 1, Token: "a secret of the test", Wait: 20 * time.Second})
		if err != nil {
			t.Error(err)
			return
		}
		g.Close(nil, true)
	}()
	g, err := Join(context.Background(), Options{Addresses: list, Rank: 0, Token: "a secret of the test", Wait: 20 * time.Second, Line: line})
	if err != nil {
		t.Fatal(err)
	}
	g.Close(nil, true)
	mu.Lock()
	defer mu.Unlock()
	if all := strings.Join(told, "\n"); !strings.Contains(all, "another token") {
		t.Errorf("told: %s", all)
	}
}

func TestOtherHosts(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for two seconds")
	}
	list := addresses(t, 3)
	errs := make([]error, 2)
	var all sync.WaitGroup
	for rank, addresses := range [][]string{list, {list[0], list[1]}} {
		all.Add(1)
		go func() {
			defer all.Done()
			_, errs[rank] = Join(context.Background(), Options{Addresses: addresses, Rank: rank, Wait: 2 * time.Second})
		}()
	}
	all.Wait()
	if errs[1] == nil || !strings.Contains(errs[1].Error(), "want the same list everywhere") {
		t.Errorf("rank 1: %v", errs[1])
	}
	if errs[0] == nil || !strings.Contains(errs[0].Error(), "did not come") {
		t.Errorf("rank 0: %v", errs[0])
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, ""},
		{Options{Addresses: []string{"127.0.0.1:1", "localhost:2"}}, ""},
		{Options{Rank: 1}, "0 hosts"},
		{Options{Addresses: []string{"a:1"}}, "1 hosts"},
		{Options{Addresses: []string{"a:1", "b:1"}, Token: strings.Repeat("x", 16), Rank: 1}, ""},
		{Options{Addresses: []string{"a:1", "b:1"}, Token: strings.Repeat("x", 16), Rank: 2}, "rank 2: want 0 to 1"},
		{Options{Addresses: []string{"a:1", "b:1"}}, TokenVariable},
		{Options{Addresses: []string{"a:1", "b:1"}, Token: "short"}, "5 characters"},
		{Options{Addresses: []string{"a", "b:1"}}, "HOST:PORT"},
		{Options{Addresses: []string{"127.0.0.1:1", "127.0.0.1:1"}}, "twice"},
	} {
		err := c.o.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
}

// FuzzReceive: no bytes of another process make this one panic, wait, or write where
// nothing is expected.
func FuzzReceive(f *testing.F) {
	message := func(kind byte, number uint64, body string) []byte {
		head := make([]byte, headSize, headSize+len(body))
		head[0] = kind
		binary.LittleEndian.PutUint32(head[4:], uint32(len(body)))
		binary.LittleEndian.PutUint64(head[8:], number)
		return append(head, body...)
	}
	f.Add(message(kindBeat, 0, ""))
	f.Add(message(kindLeave, 0, "\x01done"))
	f.Add(message(kindNote, 1, "note"))
	f.Add(append(message(kindPiece, 2, "abcdefgh"), message(kindPiece, 2, "ijklmnop")...))
	f.Add(message(kindTotal, 3, "abc"))
	f.Add([]byte{kindNote, 0, 0, 0, 0xff, 0xff, 0xff, 0x03})
	f.Fuzz(func(t *testing.T, raw []byte) {
		ours, theirs := net.Pipe()
		l := newLink(1, "test", ours)
		memory := make([]float32, 5)
		l.expect(kindPiece, 2, memory[:4])
		go func() {
			theirs.Write(raw)
			theirs.Close()
		}()
		if err := l.receive(); err == nil {
			t.Error("a connection ended without a reason")
		}
		ours.Close()
		if memory[4] != 0 {
			t.Error("written behind the end")
		}
	})
}
