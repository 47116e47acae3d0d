package kernels

import (
	"math"
	"unsafe"
)

// portableAttender is that of bfloat16 tiles, split or not.
func portableAttender(split bool) Attender {
	return Attender{func(a *AttendArgs) { attendPortable(a, split) }, foldPortable}
}

func foldPortable(dst, rows *float32) {
	out := unsafe.Slice(dst, Queries)
	for i, v := range unsafe.Slice(rows, Queries*16) {
		if i%16 == 0 {
			out[i/16] = 0
		}
		out[i/16] += v
	}
}

// attendPortable is the twin of the assembly, split or not.
func attendPortable(a *AttendArgs, split bool) {
	t := attendTwin{a, split}
	for a.Done = 0; a.Done < a.Blocks; a.Done++ {
		k, v := a.K+uintptr(a.Done*a.Block), a.V+uintptr(a.Done*a.Block)
		if a.Mode != TopOfScore {
			t.multiply(k)
		}
		switch a.Mode {
		case TopFound:
			t.findTop(min(Side, t.keys()))
		case TopOnly:
			t.findTop(t.keys())
			return
		}
		if largest := t.exponentials(); a.Mode != TopOfScore && !(largest <= 1<<64) {
			return
		}
		t.add(v)
		a.Mode, a.Begun = TopStays, 1
	}
}

type attendTwin struct {
	*AttendArgs
	split bool
}

// score is where that of query r and key c lies.
func (t *attendTwin) score(r, c int) *float32 {
	return &unsafe.Slice(t.Scores, t.Panels*Queries*Side)[(c/Side*Queries+r)*Side+c%Side]
}

// row is the number of words of a row of probabilities of 32 keys, all parts.
func (t *attendTwin) row() int {
	if t.split {
		return Side
	}
	return Side / 2
}

// keys is the number of keys of a block.
func (t *attendTwin) keys() int { return (t.Panels-1)*Side + Columns(uint32(t.Last)) }

// sumSteps runs TilePortable over steps, at so many bytes from a.A and a.B each.
func sumSteps(a TileArgs, steps []([2]int)) {
	var offsets, offsetsB []int
	for _, s := range steps {
		offsets, offsetsB = append(offsets, s[0]), append(offsetsB, s[1])
	}
	a.Offsets, a.OffsetsB, a.Taps, a.Steps = &offsets[0], &offsetsB[0], len(steps), 1
	TilePortable(&a)
}

func (t *attendTwin) multiply(k uintptr) {
	for p := range t.Panels {
		sumSteps(TileArgs{
			A: t.Q, Lda: t.Ldq, B: k + uintptr(p*t.KPanel), Ldb: 64, Second: TileWords * 4, Acc: t.score(0, p*Side),
		}, unsafe.Slice(t.KSteps, t.KCount))
	}
}

func (t *attendTwin) findTop(keys int) {
	for r, top := range unsafe.Slice(t.Top, t.AttendArgs.Rows) {
		for c := range keys {
			top = min(top, -*t.score(r, c)*t.Scale)
		}
		unsafe.Slice(t.Top, t.AttendArgs.Rows)[r] = top
	}
}

// exponentials puts p in the place of the scores, and its sums, the largest of
// which it returns.
func (t *attendTwin) exponentials() (largest float32) {
	sums := unsafe.Slice(t.Sums, Queries*16)
	clear(sums)
	probs := unsafe.Slice((*uint32)(unsafe.Pointer(t.Probs)), t.Panels*Queries*t.row())
	for r, top := range unsafe.Slice(t.Top, t.AttendArgs.Rows) {
		for p := range t.Panels {
			var row [Side]float32
			for c := range row[:min(Side, t.keys()-p*Side)] {
				row[c] = float32(math.Exp2(float64(*t.score(r, p*Side+c)*t.Scale + top)))
				sums[r*16+c%16] += row[c]
			}
			words := probs[p*Queries*t.row()+r*Side/2:]
			for i := range 16 {
				even, odd := row[2*i], row[2*i+1]
				words[i] = PairBits(even, odd)
				if t.split {
					words[Queries*Side/2+i] = PairBits(lowPart(even), lowPart(odd))
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
	totals := unsafe.Slice(t.Totals, Queries*16)
	if t.Begun == 0 {
		clear(totals)
	}
	for i, sum := range unsafe.Slice(t.Sums, t.AttendArgs.Rows*16) {
		totals[i] += sum
	}
	for p := range (t.Tiles + 1) / 2 {
		acc := (*float32)(unsafe.Add(unsafe.Pointer(t.Acc), p*t.AccPanel))
		sum := TileArgs{
			A: uintptr(unsafe.Pointer(t.Probs)), Lda: 64, B: v + uintptr(p*Side*4), Ldb: t.Ldv, Second: 64, Acc: acc, Resume: t.Begun,
		}
		if t.split {
			sum.LowA, sum.LowB = Queries*64, Step/2*t.Ldv
		}
		sumSteps(sum, unsafe.Slice(t.VSteps, t.VCount))
	}
}
