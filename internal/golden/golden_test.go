package golden

import (
	"slices"
	"testing"
)

// TestWorkedExamples are those of the golden README.
func TestWorkedExamples(t *testing.T) {
	w := Weight("encoder.conv_in.weight", []int{32, 3, 3, 3}, 0)
	for i, want := range map[int]float32{0: -0.0360102654, 1: -0.104127683, 863: 0.0712586641} {
		if w.F32[i] != want {
			t.Errorf("conv_in.weight[%d] = %.9g, want %.9g", i, w.F32[i], want)
		}
	}
	w = Weight("model.diffusion_model.input_blocks.1.0.in_layers.0.weight", []int{320}, 0x0123456789abcdef)
	for i, want := range map[int]float32{0: 1.0342977, 1: 1.09263444, 319: 0.955801725} {
		if w.F32[i] != want {
			t.Errorf("norm.weight[%d] = %.9g, want %.9g", i, w.F32[i], want)
		}
	}
}

// TestInputs makes the inputs of the golden README's third example.
func TestInputs(t *testing.T) {
	x, err := Input{Kind: "gauss4", Key: "input/x", Shape: []int{3}}.generate(0x0123456789abcdef)
	if err != nil || x.F32[0] != -0.681763649 || x.F32[1] != -0.550712585 || x.F32[2] != 0.0370398276 {
		t.Errorf("gauss4: %v, %v", x.F32, err)
	}
	ids, err := Input{Kind: "tokens", Key: "input/tokens", Shape: []int{5}, Vocab: 1000}.generate(0x0123456789abcdef)
	if err != nil || !slices.Equal(ids.I32, []int32{947, 429, 203, 630, 153}) {
		t.Errorf("tokens: %v, %v", ids.I32, err)
	}
}
