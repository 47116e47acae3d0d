package plans

import (
	"fmt"
	"hash/fnv"

	"github.com/ldm-go/ldm/engine/cpu/gemm/kernels"
	"github.com/ldm-go/ldm/engine/cpu/isa"
	"github.com/ldm-go/ldm/engine/cpu/par"
	"github.com/ldm-go/ldm/engine/cpu/vec"
	"github.com/ldm-go/ldm/tensor"
)

// Weights are weights as a model has them, or packed: float32, or numbers of 16 bits.
type Weights struct {
	F32    []float32
	Half   []uint16 // in place of F32
	Format tensor.Format
}

// Packing says how weights are brought into a plan's order: in tasks, of which each
// fills a range of the packed weights with the columns of one panel.
type Packing struct {
	Key     string // of the order; see Plan.Layout
	Weights Order
	Cols    int // of a panel
	Tasks   int
	Range   func(task int) (panel, at, size int)
	Fill    func(task, worker, n int, out, raw, memory []float32) // raw begins with the panel's n columns
	Longest int                                                   // range
	Memory  int                                                   // that fill needs, in words
	Workers int
}

// Layout names the order of the packed weights: plans of the same layout read the same
// packed weights, whatever shape, algorithm or number of workers they are for.
func (p *Plan) Layout() string { return p.Packing.Key }

// Key is a short name for whatever decides the order of packed weights.
func Key(kind string, parts ...any) string {
	h := fnv.New128a()
	fmt.Fprintf(h, "%+v", parts)
	return fmt.Sprintf("%s %x", kind, h.Sum(nil))
}

// PanelPacking is the packing of panels that lie one behind the other.
func PanelPacking(key string, w Order, cols, size, workers int, fill func(n int, out, raw []float32)) Packing {
	return Packing{
		Key: key, Weights: w, Cols: cols, Tasks: w.Panels(cols), Longest: size, Workers: workers,
		Range: func(task int) (int, int, int) { return task, task * size, size },
		Fill:  func(_, _, n int, out, raw, _ []float32) { fill(n, out, raw) },
	}
}

// PackScratch is the memory for Pack, in float32 words: little for float32, for 16 bits
// that of a panel for every worker, or of all weights where columns are not apart.
func (p *Plan) PackScratch(dst, raw tensor.Format) int {
	k := &p.Packing
	whole, rawLen, packedLen := k.scratch(dst, raw)
	return whole + k.Workers*(rawLen+packedLen+k.Memory)
}

// scratch is the memory for all weights, for a worker's panel of them, and for that
// panel packed.
func (k *Packing) scratch(dst, raw tensor.Format) (whole, rawLen, packedLen int) {
	switch {
	case raw == tensor.F32:
	case k.Weights.apart():
		rawLen = RoundUp(k.Cols*k.Weights.StrideCol, 16)
	default:
		whole = RoundUp(k.Weights.Size(), 16)
	}
	if dst != tensor.F32 {
		packedLen = RoundUp(k.Longest, 16)
	}
	return whole, rawLen, packedLen
}

// Pack returns the phases that bring weights into the plan's order. Where they have
// 16 bits they are widened a panel at a time, and narrowed again if dst has 16.
func (p *Plan) Pack(dst, raw Weights, scratch []float32) []par.Phase {
	k := &p.Packing
	if k.Tasks == 0 {
		return nil
	}
	whole, rawLen, packedLen := k.scratch(dst.Format, raw.Format)
	own := rawLen + packedLen + k.Memory
	var phases []par.Phase
	all := raw.F32
	if whole > 0 {
		all, scratch = scratch[:k.Weights.Size()], scratch[whole:]
		phases = append(phases, widen(all, raw))
	}
	return append(phases, par.Phase{Name: "pack", Tasks: k.Tasks, Run: func(task, worker int) {
		panel, at, size := k.Range(task)
		first, n := k.Weights.Columns(panel, k.Cols)
		from := first * k.Weights.StrideCol
		memory := scratch[worker*own:][:own]
		src, out := memory[:rawLen], memory[rawLen:][:packedLen]
		if all != nil {
			src = all[from:]
		} else {
			src = src[:n*k.Weights.StrideCol]
			vec.Widen(raw.Format, src, raw.Half[from:][:len(src)])
		}
		if dst.Half == nil {
			out = dst.F32[at:]
		}
		out = out[:size]
		k.Fill(task, worker, n, out, src, memory[rawLen+packedLen:])
		if dst.Half != nil {
			vec.Narrow(dst.Format, dst.Half[at:][:size], out)
		}
	}})
}

func widen(dst []float32, raw Weights) par.Phase {
	const block = 1 << 16
	return par.Phase{Name: "widen", Tasks: CeilDiv(len(dst), block), Run: func(task, _ int) {
		from, to := task*block, min((task+1)*block, len(dst))
		vec.Widen(raw.Format, dst[from:to], raw.Half[from:to])
	}}
}

// PackPanels brings weights into panels [panel][tap][depth][cols], zero where
// there is no column.
func PackPanels(w Order, cols, workers int) Packing {
	return PanelPacking(Key("panels", w, cols), w, cols, w.Taps*w.Depth*cols, workers, func(n int, out, raw []float32) {
		if n < cols {
			clear(out)
		}
		w.Order(Ordered{out, w.Depth * cols, cols}, raw, n, 0, w.Depth)
	})
}

// Ordered is memory for weights in the order that a plan wants: the columns of a tap and
// a channel side by side, those of the next tap and of the next channel so many numbers on.
type Ordered struct {
	Dst          []float32
	Tap, Channel int
}

// Order writes n columns of count channels, from channel from on.
func (w Order) Order(to Ordered, raw []float32, n, from, count int) {
	switch {
	case w.StrideCol == 1: // [channel][column], one tap
		for d := range count {
			copy(to.Dst[d*to.Channel:][:n], raw[(from+d)*w.StrideDepth:])
		}
	case w.StrideDepth != w.Taps: // [channel][column][tap]
		for d := range count {
			w.orderTaps(Ordered{to.Dst[d*to.Channel:], to.Tap, to.Channel}, raw[(from+d)*w.StrideDepth:], n)
		}
	case w.Taps == 1 || to.Channel == w.Taps*to.Tap: // [column][channel][tap], and so in to
		Transpose(to.Dst, to.Channel/w.Taps, raw[from*w.Taps:], w.StrideCol, n, count*w.Taps)
	default:
		w.orderBlocks(to, raw[from*w.Taps:], n, count*w.Taps)
	}
}

// orderTaps turns the [column][tap] of a channel. Blocks of 16x16 may fill more than
// the taps: what is behind them are the next channel's.
func (w Order) orderTaps(to Ordered, raw []float32, n int) {
	const block = 16
	c := 0
	if w.Taps <= block && to.Channel == w.Taps*to.Tap && current.Has(isa.AVX512) {
		for ; c+block <= n && c+block*to.Tap <= len(to.Dst) && (c+block)*w.StrideCol+block <= len(raw); c += block {
			kernels.TransposeBlock(to.Dst[c:], to.Tap, raw[c*w.StrideCol:], w.StrideCol)
		}
	}
	Transpose(to.Dst[c:], to.Tap, raw[c*w.StrideCol:], w.StrideCol, n-c, w.Taps)
}

// orderBlocks turns blocks of 16 columns by 16 of their weights, [channel][tap].
func (w Order) orderBlocks(to Ordered, raw []float32, n, total int) {
	var block [16 * 16]float32
	for c := 0; c < n; c += 16 {
		width := min(16, n-c)
		for from := 0; from < total; from += 16 {
			count := min(16, total-from)
			Transpose(block[:], 16, raw[c*w.StrideCol+from:], w.StrideCol, width, count)
			for i := range count {
				at := (from+i)%w.Taps*to.Tap + (from+i)/w.Taps*to.Channel + c
				copy(to.Dst[at:][:width], block[i*16:])
			}
		}
	}
}

// OrderStep orders the channels of a step from one on, of n columns, as block
// [channel][tap][32 columns], zero where there are none, and fetches those that follow.
func (w Order) OrderStep(t *kernels.Tiles, block, raw []float32, n, from int) {
	count := max(min(kernels.Step, w.Depth-from), 0)
	if n < kernels.Side || count < kernels.Step {
		clear(block)
	}
	if next := from + kernels.Step; next < w.Depth {
		first, distance, runs, length := w.Runs(n, next, min(kernels.Step, w.Depth-next))
		t.Prefetch(&raw[first], distance*4, CeilDiv(length, 16), runs)
	}
	if count > 0 {
		w.Order(Ordered{block, kernels.Side, w.Taps * kernels.Side}, raw, n, from, count)
	}
}
