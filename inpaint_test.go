package ldm

import (
	"testing"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// TestMaskedCondition: the hole is 1 in the mask and black in the picture, the
// mask is ±1 and every f-th pixel of it.
func TestMaskedCondition(t *testing.T) {
	net := &model.Network{
		Conditioner: model.Conditioner{Kind: model.LatentOfItself}, Key: model.KeyConcat, ScaleFactor: 1,
		FirstStage: autoencoder.Config{Kind: autoencoder.Identity}, UNet: unet.Config{InChannels: 7, OutChannels: 3},
	}
	m := inMemory(t, net, config.Target{}, nil, engine.Vars{})
	x, mask := tensor.New(1, 2, 2, 3), tensor.New(1, 2, 2, 1)
	for i := range x.F32 {
		x.F32[i] = 0.5
	}
	mask.F32[3] = 1
	c, err := m.encodeMasked(t.Context(), x, mask)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		picture, hole := float32(0.5), float32(-1)
		if i == 3 {
			picture, hole = -1, 1
		}
		if got := c.F32[i*4:][:4]; got[0] != picture || got[2] != picture || got[3] != hole {
			t.Errorf("pixel %d: %v, want %g and %g", i, got, picture, hole)
		}
	}
}
