package kernels

import "unsafe"

// StoresAhead is the number of addresses behind the last rows to be stored that may be
// fetched.
const StoresAhead = 8

// storePartial finishes a tile of fewer columns for kernels without masked stores.
func storePartial(a *DotArgs, cols int) {
	n := Columns(a.Mask)
	acc := unsafe.Slice(a.Partial, a.Valid*cols)
	for r := range a.Valid {
		row := acc[r*cols:][:n]
		y := FloatsAt(a.Y+uintptr(r*a.Stride), n)
		if a.Add != 0 {
			for c, v := range FloatsAt(a.Add+uintptr(r*a.Stride), n) {
				row[c] += v
			}
		}
		copy(y, row)
	}
}

// LaneMasks marks the first n of up to 16 columns.
func LaneMasks(n int) (masks [16]int32) {
	for i := range min(n, 16) {
		masks[i] = -1
	}
	return masks
}

// StoresOf is how many rows of a tile are to be stored in each of so many steps.
func StoresOf(steps int) int {
	n := 1
	for n*steps < Side {
		n *= 2
	}
	return n
}

// WordsOf views memory as words of two bfloat16.
func WordsOf(x []float32) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}
