package golden

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/ldm-go/ldm/tensor"
)

func fnv(name string) uint64 {
	h := uint64(0xCBF29CE484222325)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 0x100000001B3
	}
	return h
}

// bits is z(i) of the stream with that seed.
func bits(seed uint64, i int) uint64 {
	v := seed + uint64(i+1)*0x9E3779B97F4A7C15
	v = (v ^ v>>30) * 0xBF58476D1CE4E5B9
	v = (v ^ v>>27) * 0x94D049BB133111EB
	return v ^ v>>31
}

// uniform is u(i) of the stream with that seed, in [-1, 1).
func uniform(seed uint64, i int) float64 { return float64(bits(seed, i)>>40)/(1<<23) - 1 }

// generate makes an input that is not stored, by the rules of the golden README.
func (in Input) generate(salt uint64) (*tensor.Tensor, error) {
	seed := fnv(in.Key) ^ salt
	if in.Kind == "tokens" {
		t := tensor.NewInt(in.Shape...)
		for i := range t.I32 {
			t.I32[i] = int32((bits(seed, i) >> 40) * in.Vocab >> 24)
		}
		return t, nil
	}
	t := tensor.New(in.Shape...)
	for i := range t.F32 {
		switch in.Kind {
		case "uniform":
			t.F32[i] = float32(uniform(seed, i))
		case "gauss4":
			sum := uniform(seed, 4*i) + uniform(seed, 4*i+1)
			sum = sum + uniform(seed, 4*i+2) + uniform(seed, 4*i+3)
			t.F32[i] = float32(sum * math.Sqrt(0.75))
		case "mask":
			t.F32[i] = float32(bits(seed, i) >> 63)
		default:
			return nil, fmt.Errorf("kind %q is not known", in.Kind)
		}
		if in.Scale != nil {
			t.F32[i] = float32(float64(t.F32[i]) * *in.Scale)
		}
	}
	return t, nil
}

// tables are the modules whose weights are embeddings.
var tables = []string{"embedding", "token_emb", "pos_emb.emb", "label_emb", "token_embedding", "position_embedding"}

// The modules of LPIPS that have rules of their own.
var (
	lpipsHead  = regexp.MustCompile(`lin[0-4]\.model\.1$`)
	lpipsLayer = regexp.MustCompile(`net\.slice[1-5]\.\d+$`)
)

// Weight makes a weight from its name, by the rules of the golden README.
func Weight(name string, shape []int, salt uint64) *tensor.Tensor {
	t := tensor.New(shape...)
	seed := fnv(name) ^ salt
	rule := func(u float64) float64 { return 0.1 * u }
	module, isWeight := strings.CutSuffix(name, ".weight")
	table := isWeight && slices.ContainsFunc(tables, func(s string) bool { return module == s || strings.HasSuffix(module, "."+s) })
	switch {
	case table:
		rule = func(u float64) float64 { return u }
	case isWeight && lpipsHead.MatchString(module):
		scale := math.Sqrt(3 / float64(tensor.Shape(shape[1:]).Size()))
		rule = func(u float64) float64 { return math.Abs(u) * scale }
	case isWeight && lpipsLayer.MatchString(module):
		scale := math.Sqrt(6 / float64(tensor.Shape(shape[1:]).Size()))
		rule = func(u float64) float64 { return u * scale }
	case len(shape) >= 2:
		scale := math.Sqrt(3 / float64(tensor.Shape(shape[1:]).Size()))
		rule = func(u float64) float64 { return u * scale }
	case strings.HasSuffix(name, "weight"):
		rule = func(u float64) float64 {
			tenth := 0.1 * u
			return 1 + tenth
		}
	}
	for i := range t.F32 {
		t.F32[i] = float32(rule(uniform(seed, i)))
	}
	return t
}
