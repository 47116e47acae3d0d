package kernels

import (
	"unsafe"

	"github.com/ldm-go/ldm/engine/cpu/vec"
)

func GatePortable(p *PutArgs) {
	n := Columns(p.Mask)
	acc, bias := unsafe.Slice(p.Acc, 2*((p.Count+Side-1)/Side*Side)*Side), unsafe.Slice(p.Bias, 2*Side)
	var value, gate [Side]float32
	for r, at := range unsafe.Slice(p.Rows, p.Count) {
		if at == 0 {
			continue
		}
		sums := acc[(r+r/Side*Side)*Side:]
		for c := range n {
			value[c], gate[c] = sums[c]+bias[c], sums[Side*Side+c]+bias[Side+c]
		}
		vec.GEGLU(value[:n], value[:n], gate[:n])
		at += p.Shift
		if p.Half != 0 {
			RowPortable((*uint16)(bytesAt(at)), &value[0], n)
		} else {
			copy(FloatsAt(at, n), value[:])
		}
	}
}
