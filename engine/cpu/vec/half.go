package vec

import "github.com/ldm-go/ldm/tensor"

// A converter turns numbers of 16 bits into float32 and back. n is a multiple of
// halfLanes.
type converter struct {
	widen  func(dst *float32, src *uint16, n int)
	narrow func(dst *uint16, src *float32, n int)
}

const halfLanes = 8

// Widen turns numbers of 16 bits into float32, exactly.
func Widen(f tensor.Format, dst []float32, src []uint16) {
	n := 0
	if convert := use.half[f]; convert.widen != nil {
		for n = 0; len(src)-n >= halfLanes; {
			count := min(len(src)-n, longest) / halfLanes * halfLanes
			convert.widen(&dst[n], &src[n], count)
			n += count
		}
	}
	f.Widen(dst[n:len(src)], src[n:])
}

// Narrow rounds float32 to 16 bits, to nearest even; too large becomes infinity. x
// has no NaN.
func Narrow(f tensor.Format, dst []uint16, x []float32) {
	n := 0
	if convert := use.half[f]; convert.narrow != nil {
		for n = 0; len(x)-n >= halfLanes; {
			count := min(len(x)-n, longest) / halfLanes * halfLanes
			convert.narrow(&dst[n], &x[n], count)
			n += count
		}
	}
	f.Narrow(dst[n:len(x)], x[n:])
}
