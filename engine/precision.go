package engine

import "github.com/ldm-go/ldm/fault"

// Precision says how a program may compute the float32 operations of a graph.
type Precision uint8

// F32 computes products in float32, by any algorithm whose error is of that
// order: with Winograd's or with split bfloat16 products, up to 2e-5 of the largest
// result (see Options.Exact). BF16 rounds the operands of products to bfloat16, but
// for sums of few terms; sums, normalisation, softmax and weights stay float32. TF32 lets
// an accelerator round the operands of products to the 10 binary digits of NVIDIA's
// TensorFloat-32, or to three products of bfloat16; the processor's engine refuses it.
const (
	F32 Precision = iota
	BF16
	TF32
)

func (p Precision) String() string { return [...]string{"f32", "bf16", "tf32"}[p] }

// ParsePrecision reads "f32", "bf16" or "tf32".
func ParsePrecision(s string) (Precision, error) {
	for _, p := range []Precision{F32, BF16, TF32} {
		if s == p.String() {
			return p, nil
		}
	}
	return F32, fault.Inputf("precision %q: want f32, bf16 or, on accelerators, tf32", s)
}

// UnmarshalText reads a precision in configurations and flags.
func (p *Precision) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePrecision(string(b))
	return err
}

// MarshalText writes a precision in configurations.
func (p Precision) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
