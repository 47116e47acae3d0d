package gemm

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

// packing says how weights are brought into a plan's order: in tasks, of which each
// fills a stretch of the packed weights with the columns of one panel.
type packing struct {
	key     string // of the order; see Plan.Layout
	weights weights
	cols    int // of a panel
	tasks   int
	stretch func(task int) (panel, at, size int)
	fill    func(task, worker, n int, out, raw, memory []float32) // raw begins with the panel's n columns
	longest int                                                   // stretch
	memory  int                                                   // that fill needs, in words
	workers int
}

// Layout names the order of the packed weights: plans of the same layout read the same
// packed weights, whatever shape, algorithm or number of workers they are for.
func (p *Plan) Layout() string { return p.packing.key }

// key is a short name for whatever decides the order of packed weights.
func key(kind string, parts ...any) string {
	h := fnv.New128a()
	fmt.Fprintf(h, "%+v", parts)
	return fmt.Sprintf("%s %x", kind, h.Sum(nil))
}

// panelPacking is the packing of panels that lie one behind the other.
func panelPacking(key string, w weights, cols, size, workers int, fill func(n int, out, raw []float32)) packing {
	return packing{
		key: key, weights: w, cols: cols, tasks: w.panels(cols), longest: size, workers: workers,
		stretch: func(task int) (int, int, int) { return task, task * size, size },
		fill:    func(_, _, n int, out, raw, _ []float32) { fill(n, out, raw) },
	}
}

// PackScratch is the memory for Pack, in float32 words: little for float32, for 16 bits
// that of a panel for every worker, or of all weights where columns are not apart.
func (p *Plan) PackScratch(dst, raw tensor.Format) int {
	k := &p.packing
	whole, rawLen, packedLen := k.scratch(dst, raw)
	return whole + k.workers*(rawLen+packedLen+k.memory)
}

// scratch is the memory for all weights, for a worker's panel of them, and for that
// panel packed.
func (k *packing) scratch(dst, raw tensor.Format) (whole, rawLen, packedLen int) {
	switch {
	case raw == tensor.F32:
	case k.weights.apart():
		rawLen = roundUp(k.cols*k.weights.strideCol, 16)
	default:
		whole = roundUp(k.weights.size(), 16)
	}
	if dst != tensor.F32 {
		packedLen = roundUp(k.longest, 16)
	}
	return whole, rawLen, packedLen
}

// Pack returns the phases that bring weights into the plan's order. Where they have
// 16 bits they are widened a panel at a time, and narrowed again if dst has 16.
func (p *Plan) Pack(dst, raw Weights, scratch []float32) []par.Phase {
	k := &p.packing
	if k.tasks == 0 {
		return nil
	}
	whole, rawLen, packedLen := k.scratch(dst.Format, raw.Format)
	own := rawLen + packedLen + k.memory
	var phases []par.Phase
	all := raw.F32
	if whole > 0 {
		all, scratch = scratch[:k.weights.size()], scratch[whole:]
		phases = append(phases, widen(all, raw))
	}
	return append(phases, par.Phase{Name: "pack", Tasks: k.tasks, Run: func(task, worker int) {
		panel, at, size := k.stretch(task)
		first, n := k.weights.columns(panel, k.cols)
		from := first * k.weights.strideCol
		memory := scratch[worker*own:][:own]
		src, out := memory[:rawLen], memory[rawLen:][:packedLen]
		if all != nil {
			src = all[from:]
		} else {
			src = src[:n*k.weights.strideCol]
			vec.Widen(raw.Format, src, raw.Half[from:][:len(src)])
		}
		if dst.Half == nil {
			out = dst.F32[at:]
		}
		out = out[:size]
		k.fill(task, worker, n, out, src, memory[rawLen+packedLen:])
		if dst.Half != nil {
			vec.Narrow(dst.Format, dst.Half[at:][:size], out)
		}
	}})
}

func widen(dst []float32, raw Weights) par.Phase {
	const block = 1 << 16
	return par.Phase{Name: "widen", Tasks: ceilDiv(len(dst), block), Run: func(task, _ int) {
		from, to := task*block, min((task+1)*block, len(dst))
		vec.Widen(raw.Format, dst[from:to], raw.Half[from:to])
	}}
}

// packPanels brings weights into panels [panel][tap][depth][cols], zero where
// there is no column.
func packPanels(w weights, cols, workers int) packing {
	return panelPacking(key("panels", w, cols), w, cols, w.taps*w.depth*cols, workers, func(n int, out, raw []float32) {
		if n < cols {
			clear(out)
		}
		w.order(out, w.depth*cols, cols, raw, n, 0, w.depth)
	})
}

// order writes n columns of count channels, from channel from on: those of a tap and a
// channel side by side, tap and channel numbers away from the next tap and channel.
func (w weights) order(dst []float32, tap, channel int, raw []float32, n, from, count int) {
	switch {
	case w.strideCol == 1: // [channel][column], one tap
		for d := range count {
			copy(dst[d*channel:][:n], raw[(from+d)*w.strideDepth:])
		}
	case w.strideDepth != w.taps: // [channel][column][tap]
		for d := range count {
			w.orderTaps(dst[d*channel:], tap, channel, raw[(from+d)*w.strideDepth:], n)
		}
	case w.taps == 1 || channel == w.taps*tap: // [column][channel][tap], and so in dst
		Transpose(dst, channel/w.taps, raw[from*w.taps:], w.strideCol, n, count*w.taps)
	default:
		w.orderBlocks(dst, tap, channel, raw[from*w.taps:], n, count*w.taps)
	}
}

// orderTaps turns the [column][tap] of a channel. Blocks of 16x16 may fill more than
// the taps: what is behind them are the next channel's.
func (w weights) orderTaps(dst []float32, tap, channel int, raw []float32, n int) {
	const block = 16
	c := 0
	if w.taps <= block && channel == w.taps*tap && current >= isa.AVX512 {
		for ; c+block <= n && c+block*tap <= len(dst) && (c+block)*w.strideCol+block <= len(raw); c += block {
			kernels.TransposeBlock(dst[c:], tap, raw[c*w.strideCol:], w.strideCol)
		}
	}
	Transpose(dst[c:], tap, raw[c*w.strideCol:], w.strideCol, n-c, w.taps)
}

// orderBlocks turns blocks of 16 columns by 16 of their weights, [channel][tap].
func (w weights) orderBlocks(dst []float32, tap, channel int, raw []float32, n, total int) {
	var block [16 * 16]float32
	for c := 0; c < n; c += 16 {
		width := min(16, n-c)
		for from := 0; from < total; from += 16 {
			count := min(16, total-from)
			Transpose(block[:], 16, raw[c*w.strideCol+from:], w.strideCol, width, count)
			for i := range count {
				at := (from+i)%w.taps*tap + (from+i)/w.taps*channel + c
				copy(dst[at:][:width], block[i*16:])
			}
		}
	}
}
