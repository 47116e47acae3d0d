package hosts

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ldm-go/ldm/fault"
)

// Gather gives every process what each of them gives, by rank; 64 MiB at most of each.
// Nobody goes on before all have come so far.
func (g *Group) Gather(ctx context.Context, note []byte) ([][]byte, error) {
	if len(note) > mostNote {
		return nil, fmt.Errorf("a note of %d bytes: want at most %d", len(note), mostNote)
	}
	g.number++
	number := g.number
	sent := g.each(func(l *link) error { return l.send(kindNote, number, note) })
	notes := make([][]byte, len(g.links))
	notes[g.rank] = note
	for _, l := range g.others() {
		for {
			body, ok, later := l.note(number)
			if ok {
				notes[l.rank] = body
				break
			}
			if err := g.until(ctx, l, later); err != nil {
				if body, ok, _ := l.note(number); ok { // it came meanwhile
					notes[l.rank] = body
					break
				}
				return nil, err
			}
		}
	}
	return notes, sent()
}

// each does something with every other process at a time. The result waits for all, and
// is the first one's error.
func (g *Group) each(do func(*link) error) func() error {
	var all sync.WaitGroup
	errs := make([]error, len(g.links))
	for _, l := range g.others() {
		all.Add(1)
		go func() {
			defer all.Done()
			if err := do(l); err != nil {
				errs[l.rank] = g.lose(l, err)
			}
		}()
	}
	return func() error {
		all.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// blockLen bounds the numbers that are on their way at a time: 16 MiB.
const blockLen = 4 << 20

// Sum adds the arrays src of all processes, each in pieces of the same lengths, and puts
// scale times the sum into dst, the same bits everywhere: Fold's, in the order of the
// ranks. dst may be src.
//
// Of each block, a process sums a share of which it gets everybody's numbers, and sends
// the sums to all: 2(n-1)/n of the array leave every process of n, and as much comes in.
func (g *Group) Sum(ctx context.Context, dst, src [][]float32, scale float32) (err error) {
	size := 0
	for i, s := range src {
		if len(dst[i]) != len(s) {
			return fmt.Errorf("piece %d has %d numbers and its sum %d", i, len(s), len(dst[i]))
		}
		size += len(s)
	}
	if g.own == nil {
		g.own, g.total = make([]float32, blockLen), make([]float32, blockLen)
	}
	blocks := (size + blockLen - 1) / blockLen
	lengthOf := func(block int) int { return min(blockLen, size-block*blockLen) }
	defer func() {
		if err != nil {
			g.forget()
		}
	}()
	var pieces []*target
	if blocks > 0 {
		pieces = g.expectPieces(g.number+2, lengthOf(0))
	}
	if err := g.together(ctx, fmt.Sprintf("a sum of %d numbers", size)); err != nil {
		return err
	}
	from, to := &walk{pieces: src}, &walk{pieces: dst}
	for b := range blocks {
		n := lengthOf(b)
		own := g.own[:n]
		from.each(n, func(at int, part []float32) { copy(own[at:], part) })
		var next []*target
		g.number++
		if b+1 < blocks { // who is ahead may send it before this one is done here
			next = g.expectPieces(g.number+1, lengthOf(b+1))
		}
		if err := g.sumBlock(ctx, g.number, own, g.total[:n], pieces, scale); err != nil {
			return err
		}
		to.each(n, func(at int, part []float32) { copy(part, g.total[at:]) })
		pieces = next
	}
	return nil
}

// share is what a process sums of a block of n numbers.
func (g *Group) share(rank, n int) (from, to int) {
	return n * rank / len(g.links), n * (rank + 1) / len(g.links)
}

// expectPieces makes ready for the others' numbers of this process's share of a block.
func (g *Group) expectPieces(number uint64, n int) (list []*target) {
	from, to := g.share(g.rank, n)
	turn := &g.pieces[number%2]
	if *turn == nil {
		*turn = make([][]float32, len(g.links))
		for rank := range *turn {
			(*turn)[rank] = make([]float32, blockLen/len(g.links)+1)
		}
	}
	for _, l := range g.others() {
		list = append(list, l.expect(kindPiece, number, (*turn)[l.rank][:to-from]))
	}
	return list
}

func (g *Group) sumBlock(ctx context.Context, number uint64, own, total []float32, pieces []*target, scale float32) error {
	var sums []*target
	for _, l := range g.others() {
		from, to := g.share(l.rank, len(own))
		sums = append(sums, l.expect(kindTotal, number, total[from:to]))
	}
	sent := g.each(func(l *link) error {
		from, to := g.share(l.rank, len(own))
		return l.sendNumbers(kindPiece, number, own[from:to])
	})
	err := g.wait(ctx, pieces)
	if e := sent(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	from, to := g.share(g.rank, len(own))
	all := make([][]float32, len(g.links))
	for rank, p := range g.pieces[number%2] {
		all[rank] = p[:to-from]
	}
	all[g.rank] = own[from:to]
	mine := Fold(all...)
	for i, v := range mine {
		mine[i] = scale * v
	}
	copy(total[from:to], mine)
	sent = g.each(func(l *link) error { return l.sendNumbers(kindTotal, number, mine) })
	err = g.wait(ctx, sums)
	if e := sent(); err == nil {
		err = e
	}
	return err
}

// Broadcast writes an array of the process of that rank into those of all others, which
// have its length.
func (g *Group) Broadcast(ctx context.Context, rank int, v []float32) (err error) {
	number := g.number + 2
	var coming []*target
	if rank != g.rank {
		coming = append(coming, g.links[rank].expect(kindTotal, number, v))
	}
	defer func() {
		if err != nil {
			g.forget()
		}
	}()
	if err := g.together(ctx, fmt.Sprintf("a broadcast of %d numbers by rank %d", len(v), rank)); err != nil {
		return err
	}
	g.number++
	if rank == g.rank {
		return g.each(func(l *link) error { return l.sendNumbers(kindTotal, number, v) })()
	}
	return g.wait(ctx, coming)
}

// together waits until all processes have come to the same call, and expect its numbers.
func (g *Group) together(ctx context.Context, what string) error {
	notes, err := g.Gather(ctx, []byte(what))
	if err != nil {
		return err
	}
	for rank, n := range notes {
		if string(n) != what {
			return fmt.Errorf("rank %d is at %q and rank %d at %q: want the same ldm and the same data everywhere", g.rank, what, rank, said(string(n)))
		}
	}
	return nil
}

// Agree wants all processes to have the same facts; the error, the same everywhere, names
// those that differ from rank 0's.
func (g *Group) Agree(ctx context.Context, facts map[string]string) error {
	raw, err := json.Marshal(facts)
	if err != nil {
		return err
	}
	notes, err := g.Gather(ctx, raw)
	if err != nil {
		return err
	}
	all := make([]map[string]string, len(notes))
	for rank, n := range notes {
		if err := json.Unmarshal(n, &all[rank]); err != nil {
			return fmt.Errorf("rank %d sent what cannot be read: %w", rank, err)
		}
	}
	var differ []string
	for rank := 1; rank < len(all); rank++ {
		keys := maps.Clone(all[0])
		maps.Copy(keys, all[rank])
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if a, b := all[0][key], all[rank][key]; a != b {
				differ = append(differ, fmt.Sprintf("%s (rank 0: %s, rank %d: %s)", key, said(a), rank, said(b)))
			}
		}
	}
	if len(differ) == 0 {
		return nil
	}
	more := ""
	if len(differ) > 10 {
		differ, more = differ[:10], fmt.Sprintf(" and %d more", len(differ)-10)
	}
	return fault.Inputf("the processes differ: %s%s", strings.Join(differ, ", "), more)
}

// said is a value as a person reads it.
func said(v string) string {
	const most = 80
	switch {
	case v == "":
		return "none"
	case len(v) > most:
		return v[:most] + "..."
	}
	return v
}

// walk goes over an array that lies in pieces.
type walk struct {
	pieces [][]float32
	at     int // in the first of those that are left
}

// each calls do for what of the next n numbers lies together.
func (w *walk) each(n int, do func(at int, part []float32)) {
	for at := 0; at < n; {
		rest := w.pieces[0][w.at:]
		if len(rest) == 0 {
			w.pieces, w.at = w.pieces[1:], 0
			continue
		}
		part := rest[:min(len(rest), n-at)]
		do(at, part)
		at += len(part)
		w.at += len(part)
	}
}
