package ldm

import (
	"context"
	"errors"

	"github.com/ldm-go/ldm/engine/programs"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/tiles"
	"github.com/ldm-go/ldm/unet"
)

// row is one latent for the denoiser, with its own time and condition.
type row struct {
	x         *tensor.Tensor // [h, w, C]
	t         float64
	condition Encoding
	controls  []controlled
	variant
	deep *tensor.Tensor // features: of a shallow variant those that it begins with, of others those that it gives
}

// kind is the shape of the row.
func (r row) kind() kind {
	k := kind{h: r.x.Shape[0], w: r.x.Shape[1], controlled: len(r.controls) > 0, variant: r.variant}
	if r.condition.Context != nil {
		k.tokens = r.condition.Context.Shape[0]
	}
	return k
}

// maxRows is how many latents of so many cells go through the denoiser at once, on all
// its devices; as the result of one does not depend on its neighbours, only memory does.
func (m *Model) maxRows(cells int) int {
	return min(max(1<<16/max(cells, 1), 1), maxBatch) * m.denoiser.Devices()
}

// Predict runs the denoiser on latents x [N, h, w, C] at a timestep of the
// training schedule (real-valued), each with its condition: what the network says
// of them, of the kind that its schedule knows.
func (m *Model) Predict(ctx context.Context, x *tensor.Tensor, t float64, conditions []Encoding) (*tensor.Tensor, error) {
	if len(x.Shape) != 4 || x.Shape[3] != m.net.LatentChannels() || len(x.F32) == 0 {
		return nil, fault.Inputf("latents of shape %v: want [N, h, w, %d]", x.Shape, m.net.LatentChannels())
	}
	if len(conditions) != x.Shape[0] {
		return nil, fault.Inputf("%d conditions for %d latents: want as many of both", len(conditions), x.Shape[0])
	}
	rows := make([]row, x.Shape[0])
	for i := range rows {
		rows[i] = row{x: x.Row(i), t: t, condition: conditions[i]}
	}
	y, err := m.predict(ctx, rows, 0)
	if err != nil {
		return nil, err
	}
	return tensor.Of(y, x.Shape...), nil
}

// predict runs the denoiser on rows whose latents have one shape, and gives its
// outputs one behind the other. A program of at least so many rows takes fewer.
func (m *Model) predict(ctx context.Context, rows []row, atLeast int) ([]float32, error) {
	per := len(rows[0].x.F32)
	out := make([]float32, len(rows)*per)
	groups := map[kind][]int{} // by the length of their contexts
	for i, r := range rows {
		if err := m.checkRow(r); err != nil {
			return nil, err
		}
		groups[r.kind()] = append(groups[r.kind()], i)
	}
	for k, group := range groups {
		start := 0
		for _, n := range programs.Parts(len(group), m.maxRows(k.h*k.w)) {
			batch := n
			if len(groups) == 1 && n == len(rows) {
				batch = min(max(n, atLeast), m.maxRows(k.h*k.w))
			}
			err := m.predictFitting(ctx, rows, group[start:start+n], k, batch, out)
			if err != nil {
				return nil, err
			}
			start += n
		}
	}
	return out, nil
}

// predictFitting is predictPart, or patch by patch where that is asked for or the
// latents are too large for memory; patches are then as large as the latents of
// training, and at least 64 a side.
func (m *Model) predictFitting(ctx context.Context, rows []row, group []int, k kind, n int, out []float32) error {
	if s := m.patches; s != nil && (k.h > s.Kernel[0] || k.w > s.Kernel[1]) {
		return m.predictPatches(ctx, *s, rows, group, out)
	}
	err := m.predictPart(ctx, rows, group, k, n, out)
	if errors.Is(err, fault.Memory) {
		f := m.net.UNet.Factor()
		return m.predictPatches(ctx, tiles.NewSplit((max(m.net.LatentSide(), 64)+2*f-1)/(2*f)*(2*f)), rows, group, out)
	}
	return err
}

// predictPatches runs the denoiser patch by patch.
func (m *Model) predictPatches(ctx context.Context, split tiles.Split, rows []row, group []int, out []float32) error {
	for _, i := range group {
		r := rows[i]
		if r.branch > 0 {
			return fault.Unsupportedf("latents of %dx%d go through the denoiser patch by patch, which keeps no deep features", r.x.Shape[1], r.x.Shape[0])
		}
		inputs := []*tensor.Tensor{one(r.x)}
		for _, c := range r.controls {
			inputs = append(inputs, one(c.hint))
		}
		if r.condition.Joined != nil {
			inputs = append(inputs, one(r.condition.Joined))
		}
		y, err := split.Apply(ctx, inputs, tiles.Same, func(ctx context.Context, p tiles.Patch) (*tensor.Tensor, error) {
			part := row{x: p.X[0].Row(0), t: r.t, condition: r.condition, variant: r.variant}
			at := 1
			for _, c := range r.controls {
				c.hint = p.X[at].Row(0)
				part.controls = append(part.controls, c)
				at++
			}
			if len(p.X) > at {
				part.condition.Joined = p.X[at].Row(0)
			}
			if err := m.checkRow(part); err != nil {
				return nil, err
			}
			y := tensor.New(p.X[0].Shape...)
			return y, m.predictPart(ctx, []row{part}, []int{0}, part.kind(), 1, y.F32)
		})
		if err != nil {
			return err
		}
		copy(out[i*len(y.F32):], y.F32)
	}
	return nil
}

// one is a batch of one.
func one(x *tensor.Tensor) *tensor.Tensor {
	return tensor.Of(x.F32, append([]int{1}, x.Shape...)...)
}

// checkRow wants a condition of the denoiser's kind and shape.
func (m *Model) checkRow(r row) error {
	h, w := r.x.Shape[0], r.x.Shape[1]
	joined := m.net.UNet.InChannels - m.net.LatentChannels()
	if f := m.net.UNet.Factor(); h%f != 0 || w%f != 0 {
		return fault.Inputf("a latent of %dx%d: want multiples of %d", w, h, f)
	}
	c, key := r.condition, m.net.Key
	switch {
	case (key == model.KeyConcat || key == model.KeyHybrid) && (c.Joined == nil || !c.Joined.Shape.Equal(tensor.Shape{h, w, joined})):
		return fault.Inputf("the denoiser wants a condition of shape %v, joined to the latent", tensor.Shape{h, w, joined})
	case (key == model.KeyCrossAttn || key == model.KeyHybrid) && !isContext(c.Context, m.net.UNet.ContextDim):
		return fault.Inputf("the denoiser wants a context of shape [L, %d]", m.net.UNet.ContextDim)
	case m.net.ToldGuidance() && !(c.Guidance > 0):
		return fault.Inputf("the denoiser wants the scale of the guidance, more than 0")
	case key == model.KeyADM && (c.Label == nil || len(c.Label.I32) != 1):
		return fault.Inputf("the denoiser wants a label")
	}
	return nil
}

func isContext(c *tensor.Tensor, dim int) bool {
	return c != nil && len(c.Shape) == 2 && c.Shape[0] > 0 && c.Shape[1] == dim
}

// predictPart runs the rows at the places of group in a batch of n.
func (m *Model) predictPart(ctx context.Context, rows []row, group []int, k kind, n int, out []float32) error {
	in := programs.Rows{"x": batchOf(rows[group[0]].x, n), "t": tensor.New(n)}
	for name, c := range m.conditions(rows[group[0]]) {
		in[name] = batchOf(c, n)
	}
	for k := range n {
		r := rows[group[min(k, len(group)-1)]] // the last one fills what is left
		copy(in["x"].Row(k).F32, r.x.F32)
		in["t"].F32[k] = float32(m.net.Schedule.Known(r.t))
		for name, c := range m.conditions(r) {
			copy(in[name].Row(k).F32, c.F32)
			copy(in[name].Row(k).I32, c.I32)
		}
	}
	if k.controlled {
		if err := m.control(ctx, rows[group[0]], k, n, in); err != nil {
			return err
		}
	}
	y, err := m.batcher.RunAll(ctx, k, in, k.outputs())
	if err != nil {
		return err
	}
	for n, i := range group {
		row := y[0].Row(n).F32
		copy(out[i*len(row):], row)
		if len(y) > 1 {
			rows[i].deep = y[1].Row(n)
		}
	}
	return nil
}

// conditions are the inputs of the denoiser that a row's condition fills, and the deep
// features that a shallow one begins with.
func (m *Model) conditions(r row) map[string]*tensor.Tensor {
	c := r.condition
	out := map[string]*tensor.Tensor{}
	if r.shallow {
		out["deep"] = r.deep
	}
	switch m.net.Key {
	case model.KeyConcat:
		out["condition"] = c.Joined
	case model.KeyCrossAttn:
		out["condition"] = c.Context
	case model.KeyHybrid:
		out["condition"], out["joined"] = c.Context, c.Joined
	case model.KeyADM:
		out["condition"] = &tensor.Tensor{I32: c.Label.I32} // a scalar for each
	}
	if m.net.ToldGuidance() {
		out["guidance"] = tensor.New(m.net.UNet.TimeCondProjDim)
		unet.GuidanceEmbedding(out["guidance"].F32, c.Guidance)
	}
	return out
}

// batchOf is room for n tensors like t.
func batchOf(t *tensor.Tensor, n int) *tensor.Tensor {
	shape := append([]int{n}, t.Shape...)
	if t.I32 != nil {
		return tensor.NewInt(shape...)
	}
	return tensor.New(shape...)
}
