package ldm

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/tensor"
)

// saveLoRA writes a LoRA of rank 2 for the first attention of the tiny model, whose
// down matrix is wide.
func saveLoRA(t *testing.T, module string, wide int) string {
	t.Helper()
	const width = 32
	path := filepath.Join(t.TempDir(), "style.safetensors")
	tensors := map[string]*tensor.Tensor{
		module + ".lora_up.weight":   random(1, width, 2),
		module + ".lora_down.weight": random(2, 2, wide),
		module + ".alpha":            tensor.Of([]float32{1}, 1),
	}
	if err := checkpoint.Save(path, tensors, nil, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	return path
}

const tinyModule = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"

// TestLoRAUndone: adapters change pictures, are swapped, and undone to the bits of
// the base, also where its values have 16 bits.
func TestLoRAUndone(t *testing.T) {
	m := tinyModel(t)
	ctx := context.Background()
	const name = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
	base := slices.Clone(weightOf(t, m, name).F32)
	picture := func() []float32 {
		out, err := m.Generate(ctx, Request{Condition: Class(1), Seeds: []uint64{3}, Steps: 2})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(out.Pixels.F32)
	}
	set := func(uses ...lora.Use) {
		t.Helper()
		if unused, err := m.SetLoRA(ctx, uses...); err != nil || len(unused) > 0 {
			t.Fatal(unused, err)
		}
	}
	plain := picture()
	path := saveLoRA(t, tinyModule, 32)
	set(lora.At(path, 0.8))
	changed := slices.Clone(weightOf(t, m, name).F32)
	with := picture()
	if golden.RelErr(with, plain) < 1e-3 {
		t.Error("the adapter changes nothing")
	}
	set(lora.At(path, 0.3), lora.At(path, 0.5))
	if e := golden.RelErr(weightOf(t, m, name).F32, changed); e > 1e-6 {
		t.Errorf("0.3 and 0.5 are not 0.8: %g", e)
	}
	set(lora.At(path, -2))
	set(lora.At(path, 0.8))
	if !slices.Equal(weightOf(t, m, name).F32, changed) || !slices.Equal(picture(), with) {
		t.Error("swapped, the adapter gives other bits")
	}
	set()
	if !slices.Equal(weightOf(t, m, name).F32, base) || !slices.Equal(picture(), plain) {
		t.Error("undone, the bits are not those of the base")
	}
}

// TestLoRARefused: what does not fit is refused, and changes nothing.
func TestLoRARefused(t *testing.T) {
	m := tinyModel(t)
	ctx := context.Background()
	good := saveLoRA(t, tinyModule, 32)
	if _, err := m.SetLoRA(ctx, lora.At(good, 1)); err != nil {
		t.Fatal(err)
	}
	before, err := m.Weights().Pull()
	if err != nil {
		t.Fatal(err)
	}
	before = maps.Clone(before)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for _, c := range []struct {
		ctx       context.Context
		path, say string
		kind      error
	}{
		{ctx, saveLoRA(t, tinyModule, 48), "for a weight of", ErrInput},
		{ctx, saveLoRA(t, "lora_unet_double_blocks_0_img_attn", 32), "perhaps for FLUX", ErrInput},
		{ctx, saveLoRA(t, "lora_te_text_model_encoder_layers_0_mlp_fc1", 32), "which this model has not", ErrInput},
		{ctx, filepath.Join(t.TempDir(), "none"), "no such file", nil},
		{cancelled, good, "canceled", context.Canceled},
	} {
		_, err := m.SetLoRA(c.ctx, lora.At(c.path, 1))
		if err == nil || !strings.Contains(err.Error(), c.say) || c.kind != nil && !errors.Is(err, c.kind) {
			t.Errorf("error %v: want one with %q", err, c.say)
		}
	}
	after, err := m.Weights().Pull()
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(before, after) {
		t.Error("refused adapters changed weights")
	}
}
