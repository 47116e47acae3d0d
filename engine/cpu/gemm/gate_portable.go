package gemm

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/vec"
)

func gatePortable(p *putArgs) {
	n := columns(p.mask)
	acc, bias := unsafe.Slice(p.acc, 2*roundUp(p.count, side)*side), unsafe.Slice(p.bias, 2*side)
	var value, gate [side]float32
	for r, at := range unsafe.Slice(p.rows, p.count) {
		if at == 0 {
			continue
		}
		sums := acc[(r+r/side*side)*side:]
		for c := range n {
			value[c], gate[c] = sums[c]+bias[c], sums[side*side+c]+bias[side+c]
		}
		vec.GEGLU(value[:n], value[:n], gate[:n])
		at += p.shift
		if p.half != 0 {
			rowPortable((*uint16)(bytesAt(at)), &value[0], n)
		} else {
			copy(floatsAt(at, n), value[:])
		}
	}
}
