package golden

import (
	"math"
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

// uniform is u(i) of the stream with that seed, in [-1, 1).
func uniform(seed uint64, i int) float64 {
	v := seed + uint64(i+1)*0x9E3779B97F4A7C15
	v = (v ^ v>>30) * 0xBF58476D1CE4E5B9
	v = (v ^ v>>27) * 0x94D049BB133111EB
	return float64((v^v>>31)>>40)/(1<<23) - 1
}

// tables are the modules whose weights are embeddings.
var tables = []string{"embedding", "token_emb", "pos_emb.emb", "label_emb", "token_embedding", "position_embedding"}

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
	case len(shape) >= 2:
		scale := math.Sqrt(3 / float64(tensor.Shape(shape[1:]).Size()))
		rule = func(u float64) float64 { return u * scale }
	case isWeight || name == "weight":
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
