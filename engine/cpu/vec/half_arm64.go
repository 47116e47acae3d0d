package vec

import "github.com/ldm-go/ldm/tensor"

var converters = [...]converter{tensor.F16: {widenF16, narrowF16}, tensor.BF16: {widenBF16, narrowBF16}}

//go:noescape
func widenF16(dst *float32, src *uint16, n int)

//go:noescape
func widenBF16(dst *float32, src *uint16, n int)

//go:noescape
func narrowF16(dst *uint16, src *float32, n int)

//go:noescape
func narrowBF16(dst *uint16, src *float32, n int)

//go:noescape
func roundBF16(dst *uint16, src *float32, n int)
