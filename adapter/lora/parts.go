package lora

import "strings"

// part is one of the tensors that a module's change is made of.
type part string

// The parts, by the forms of adapters that have them.
const (
	down  part = "down" // LoRA (Hu et al., arXiv 2106.09685): [r, in, ...]
	up    part = "up"   // [out, r, ...]
	mid   part = "mid"  // LoCon: [r, r, kh, kw] between them
	alpha part = "alpha"
	dora  part = "dora" // DoRA (Liu et al., arXiv 2402.09353): norms of rows or columns

	hadaW1A part = "hada_w1_a" // LoHa (FedPara, arXiv 2108.06098)
	hadaW1B part = "hada_w1_b"
	hadaW2A part = "hada_w2_a"
	hadaW2B part = "hada_w2_b"
	hadaT1  part = "hada_t1"
	hadaT2  part = "hada_t2"

	lokrW1  part = "lokr_w1" // LoKr of LyCORIS (arXiv 2309.14859)
	lokrW1A part = "lokr_w1_a"
	lokrW1B part = "lokr_w1_b"
	lokrW2  part = "lokr_w2"
	lokrW2A part = "lokr_w2_a"
	lokrW2B part = "lokr_w2_b"
	lokrT2  part = "lokr_t2"

	diff     part = "diff" // whole differences
	diffBias part = "diff_b"
	upBias   part = "up_b" // PEFT's lora_bias
)

// endings are what the names of tensors end with behind the module's name.
var endings = []struct {
	text string
	part part
}{
	{".lora_down.weight", down}, {".lora_up.weight", up}, {".lora_mid.weight", mid}, // kohya-ss, LyCORIS
	{".lora.down.weight", down}, {".lora.up.weight", up}, // diffusers
	{".lora_linear_layer.down.weight", down}, {".lora_linear_layer.up.weight", up},
	{"_lora.down.weight", down}, {"_lora.up.weight", up}, // diffusers before 0.18
	{".alpha", alpha}, {".dora_scale", dora}, {".lora_magnitude_vector", dora}, {".lora_magnitude_vector.weight", dora},
	{".diff", diff}, {".w_norm", diff}, {".diff_b", diffBias}, {".b_norm", diffBias},
}

// factors are parts whose names are the ends of tensors' names themselves.
var factors = []part{hadaW1A, hadaW1B, hadaW2A, hadaW2B, hadaT1, hadaT2, lokrW1, lokrW1A, lokrW1B, lokrW2, lokrW2A, lokrW2B, lokrT2}

// foreign are pieces of the names of other adapters, whose changes are not sums.
var foreign = []struct{ piece, what string }{
	{".oft_blocks", "an OFT of LyCORIS"}, {".oft_diag", "an OFT of LyCORIS"}, {".boft_", "a BOFT"},
	{".on_input", "an (IA)³ of LyCORIS"}, {".ia3_l", "an (IA)³ of PEFT"}, {".a1.weight", "a GLoRA of LyCORIS"},
	{".lokr_t1", "a LoKr whose first factor is decomposed"}, {".bias_indices", "a LyCORIS file with sparse biases"}, {".lora_embedding_A", "a LoRA of PEFT that changes the table of words"},
}

// split takes the name of a tensor apart: the module that it changes, and which
// part of the change it is.
func split(key string) (module string, p part, ok bool) {
	for _, e := range endings {
		if module, ok := strings.CutSuffix(key, e.text); ok && module != "" {
			return module, e.part, true
		}
	}
	for _, f := range factors {
		if module, ok := strings.CutSuffix(key, "."+string(f)); ok && module != "" {
			return module, f, true
		}
	}
	return splitPEFT(key)
}

// splitPEFT is split for the names of PEFT, which may have the adapter's name in
// them: module.lora_A.default.weight.
func splitPEFT(key string) (module string, p part, ok bool) {
	for _, e := range []struct {
		text string
		part part
	}{{".lora_A.", down}, {".lora_B.", up}, {".lora_magnitude_vector.", dora}} {
		module, rest, found := strings.Cut(key, e.text)
		if !found || module == "" {
			continue
		}
		if i := strings.LastIndexByte(rest, '.'); i >= 0 && !strings.Contains(rest[:i], ".") {
			rest = rest[i+1:]
		}
		switch {
		case rest == "weight":
			return module, e.part, true
		case rest == "bias" && e.part == up:
			return module, upBias, true
		}
	}
	return "", "", false
}
