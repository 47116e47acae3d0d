package gemm

import (
	"math"
	"unsafe"
)

// portableAttender is that of bfloat16 tiles, split or not.
func portableAttender(split bool) attender {
	return attender{func(a *attendArgs) { attendPortable(a, split) }, foldPortable}
}

func foldPortable(dst, rows *float32) {
	out := unsafe.Slice(dst, queries)
	for i, v := range unsafe.Slice(rows, queries*16) {
		if i%16 == 0 {
			out[i/16] = 0
		}
		out[i/16] += v
	}
}

// attendPortable is the twin of the assembly, split or not.
func attendPortable(a *attendArgs, split bool) {
	t := attendTwin{a, split}
	for a.done = 0; a.done < a.blocks; a.done++ {
		k, v := a.k+uintptr(a.done*a.block), a.v+uintptr(a.done*a.block)
		if a.mode != topOfScore {
			t.multiply(k)
		}
		switch a.mode {
		case topFound:
			t.findTop(min(side, t.keys()))
		case topOnly:
			t.findTop(t.keys())
			return
		}
		if largest := t.exponentials(); a.mode != topOfScore && !(largest <= 1<<64) {
			return
		}
		t.add(v)
		a.mode, a.begun = topStays, 1
	}
}

type attendTwin struct {
	*attendArgs
	split bool
}

// score is where that of query r and key c lies.
func (t *attendTwin) score(r, c int) *float32 {
	return &unsafe.Slice(t.scores, t.panels*queries*side)[(c/side*queries+r)*side+c%side]
}

// row is the number of words of a row of probabilities of 32 keys, all parts.
func (t *attendTwin) row() int {
	if t.split {
		return side
	}
	return side / 2
}

// keys is the number of keys of a block.
func (t *attendTwin) keys() int { return (t.panels-1)*side + columns(uint32(t.last)) }

// product runs tilePortable over steps, with the low parts so many bytes further on.
func (t *attendTwin) product(steps *[2]int, count int, low [2]int, a uintptr, lda int, b uintptr, ldb, second int, acc *float32, resume int) {
	var offsets, places []int
	for _, s := range unsafe.Slice(steps, count) {
		offsets, places = append(offsets, s[0]), append(places, s[1])
	}
	tilePortable(&tileArgs{
		a: a, lda: lda, offsets: &offsets[0], taps: count, steps: 1, b: b, ldb: ldb, second: second,
		acc: acc, resume: resume, places: &places[0], lowA: low[0], lowB: low[1],
	})
}

func (t *attendTwin) multiply(k uintptr) {
	for p := range t.panels {
		t.product(t.kSteps, t.kCount, [2]int{}, t.q, t.ldq, k+uintptr(p*t.kPanel), 64, tileWords*4, t.score(0, p*side), 0)
	}
}

func (t *attendTwin) findTop(keys int) {
	for r, top := range unsafe.Slice(t.top, t.attendArgs.rows) {
		for c := range keys {
			top = min(top, -*t.score(r, c)*t.scale)
		}
		unsafe.Slice(t.top, t.attendArgs.rows)[r] = top
	}
}

// exponentials puts p in the place of the scores, and its sums, the largest of
// which it returns.
func (t *attendTwin) exponentials() (largest float32) {
	sums := unsafe.Slice(t.sums, queries*16)
	clear(sums)
	probs := unsafe.Slice((*uint32)(unsafe.Pointer(t.probs)), t.panels*queries*t.row())
	for r, top := range unsafe.Slice(t.top, t.attendArgs.rows) {
		for p := range t.panels {
			var row [side]float32
			for c := range row[:min(side, t.keys()-p*side)] {
				row[c] = float32(math.Exp2(float64(*t.score(r, p*side+c)*t.scale + top)))
				sums[r*16+c%16] += row[c]
			}
			words := probs[p*queries*t.row()+r*side/2:]
			for i := range 16 {
				even, odd := row[2*i], row[2*i+1]
				words[i] = pairBits(even, odd)
				if t.split {
					words[queries*side/2+i] = pairBits(lowPart(even), lowPart(odd))
				}
			}
		}
		for _, sum := range sums[r*16:][:16] {
			largest = max(largest, sum)
		}
	}
	return largest
}

func (t *attendTwin) add(v uintptr) {
	totals := unsafe.Slice(t.totals, queries*16)
	if t.begun == 0 {
		clear(totals)
	}
	for i, sum := range unsafe.Slice(t.sums, t.attendArgs.rows*16) {
		totals[i] += sum
	}
	for p := range (t.tiles + 1) / 2 {
		acc := (*float32)(unsafe.Add(unsafe.Pointer(t.acc), p*t.accPanel))
		var low [2]int
		if t.split {
			low = [2]int{queries * 64, step / 2 * t.ldv}
		}
		t.product(t.vSteps, t.vCount, low, uintptr(unsafe.Pointer(t.probs)), 64, v+uintptr(p*side*4), t.ldv, 64, acc, t.begun)
	}
}
