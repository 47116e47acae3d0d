package tensor

import "fmt"

// Format is how the numbers of a tensor are kept in memory.
type Format uint8

// F32 is float32, F16 IEEE half precision, BF16 bfloat16.
const (
	F32 Format = iota
	F16
	BF16
)

var formatNames = [...]string{"f32", "f16", "bf16"}

func (f Format) String() string { return formatNames[f] }

// Bytes is the size of a number.
func (f Format) Bytes() int {
	if f == F32 {
		return 4
	}
	return 2
}

// UnmarshalText reads "f32", "f16" or "bf16".
func (f *Format) UnmarshalText(b []byte) error {
	for i, name := range formatNames {
		if string(b) == name {
			*f = Format(i)
			return nil
		}
	}
	return fmt.Errorf("number format %q: want f32, f16 or bf16", b)
}

// MarshalText writes the format's name.
func (f Format) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// Widen turns numbers of 16 bits into float32, exactly.
func (f Format) Widen(dst []float32, src []uint16) {
	if f == F16 {
		for i, h := range src {
			dst[i] = FromFloat16(h)
		}
		return
	}
	for i, h := range src {
		dst[i] = FromBFloat16(h)
	}
}

// Narrow rounds float32 to 16 bits, to nearest even.
func (f Format) Narrow(dst []uint16, src []float32) {
	if f == F16 {
		for i, v := range src {
			dst[i] = Float16(v)
		}
		return
	}
	for i, v := range src {
		dst[i] = BFloat16(v)
	}
}

// OfHalf wraps numbers of 16 bits, which are not copied; see Of.
func OfHalf(data []uint16, f Format, shape ...int) *Tensor {
	if len(data) != Shape(shape).Size() {
		panic(fmt.Sprintf("tensor.OfHalf: %d values for shape %v", len(data), Shape(shape)))
	}
	return &Tensor{Shape: append(Shape(nil), shape...), Half: data, Format: f}
}

// Float32 is the tensor itself, or its numbers of 16 bits widened.
func (t *Tensor) Float32() *Tensor {
	if t.Half == nil {
		return t
	}
	wide := New(t.Shape...)
	t.Format.Widen(wide.F32, t.Half)
	return wide
}
