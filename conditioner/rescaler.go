package conditioner

import (
	"fmt"

	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// SpatialRescaler shrinks pictures NStages times, then maps their channels:
// the conditioner of semantic synthesis, whose result is joined to the latent.
type SpatialRescaler struct {
	NStages     int                `yaml:"n_stages"`     // default 1
	Method      graph.ResizeMethod `yaml:"method"`       // default bilinear
	Multiplier  float64            `yaml:"multiplier"`   // of the size at each stage; default ½
	InChannels  int                `yaml:"in_channels"`  // default 3
	OutChannels int                `yaml:"out_channels"` // 0: no map of channels
	Bias        bool               `yaml:"bias"`
}

// DefaultRescaler holds what a YAML may leave out.
func DefaultRescaler() SpatialRescaler {
	return SpatialRescaler{NStages: 1, Method: graph.ResizeBilinear, Multiplier: 0.5, InChannels: 3}
}

// Validate says what is wrong with a configuration.
func (c SpatialRescaler) Validate() error {
	if c.NStages < 0 || c.NStages > 16 || c.InChannels < 1 || c.OutChannels < 0 {
		return fmt.Errorf("spatial rescaler: n_stages %d, in_channels %d, out_channels %d", c.NStages, c.InChannels, c.OutChannels)
	}
	if !(c.Multiplier > 0 && c.Multiplier <= 64) {
		return fault.Inputf("spatial rescaler: multiplier %g: want more than 0, at most 64", c.Multiplier)
	}
	return nil
}

// Build turns pictures [N, H, W, InChannels] into [N, h, w, OutChannels].
func (c SpatialRescaler) Build(b nn.Builder, x graph.Value) graph.Value {
	if err := c.Validate(); err != nil {
		b.G.Fail("%w", err)
		return x
	}
	for range c.NStages {
		x = b.G.Resize(x, c.Method, c.Multiplier)
	}
	if c.OutChannels == 0 {
		return x
	}
	m := b.In("channel_mapper")
	weight := m.Param("weight", nn.Uniform(c.InChannels), c.OutChannels, c.InChannels, 1, 1)
	var bias graph.Value
	if c.Bias {
		bias = m.Param("bias", nn.Uniform(c.InChannels), c.OutChannels)
	}
	return b.G.Conv2D(x, weight, bias, graph.Conv2D{Stride: 1})
}
