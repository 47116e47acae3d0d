package golden

import "testing"

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
