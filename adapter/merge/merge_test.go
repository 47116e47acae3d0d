package merge

import (
	"math"
	"slices"
	"testing"

	"github.com/ldm-go/ldm/tensor"
)

func TestTensors(t *testing.T) {
	a, b, c := tensor.Of([]float32{1, 2}, 2), tensor.Of([]float32{3, -2}, 2), tensor.Of([]float32{1, 1}, 2)
	for _, x := range []struct {
		recipe Recipe
		want   []float32
	}{
		{Recipe{Multiplier: 0.25}, []float32{1.5, 1}},
		{Recipe{}, []float32{1, 2}},
		{Recipe{Multiplier: 1}, []float32{3, -2}},
		{Recipe{Method: AddDifference, Multiplier: 0.5}, []float32{2, 0.5}},
	} {
		if got := x.recipe.Tensors("x", a, b, c).F32; !slices.Equal(got, x.want) {
			t.Errorf("%+v: %v, want %v", x.recipe, got, x.want)
		}
	}
}

func TestBlocks(t *testing.T) {
	r := Recipe{Multiplier: 9, Blocks: []float64{0, 1, 2, 3, 4}}
	for name, want := range map[string]float64{
		"model.diffusion_model.input_blocks.1.0.in_layers.2.weight": 1, "model.diffusion_model.middle_block.1.norm.bias": 2,
		"model.diffusion_model.output_blocks.0.0.out_layers.3.bias": 3, "model.diffusion_model.out.2.weight": 4,
		"model.diffusion_model.time_embed.0.weight": 0, "cond_stage_model.x": 9, "first_stage_model.decoder.conv_in.weight": 9,
	} {
		if got := r.of(name); got != want {
			t.Errorf("%s: %g, want %g", name, got, want)
		}
	}
	for _, bad := range []Recipe{{Blocks: []float64{1}}, {Multiplier: math.NaN()}, {Blocks: []float64{0, 0, math.Inf(1), 0, 0}}} {
		if bad.Check(2) == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	if err := r.Check(2); err != nil {
		t.Error(err)
	}
}
