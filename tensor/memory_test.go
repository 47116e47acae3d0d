package tensor

import (
	"testing"
	"unsafe"
)

func TestMemory(t *testing.T) {
	for _, n := range []int{0, 1, 15, 1 << 20} {
		x, h := Memory[float32](n), Memory[uint16](n)
		if len(x) != n || len(h) != n || cap(x) != n || cap(h) != n {
			t.Errorf("%d numbers: %d and %d", n, len(x), len(h))
		}
		if n > 0 && (uintptr(unsafe.Pointer(&x[0]))%64 != 0 || uintptr(unsafe.Pointer(&h[0]))%64 != 0) {
			t.Errorf("%d numbers do not begin on a cache line", n)
		}
		for i := range x {
			if x[i] != 0 || h[i] != 0 {
				t.Fatalf("%d numbers: %d is not zero", n, i)
			}
		}
	}
}
