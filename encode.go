package ldm

import (
	"context"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/tensor"
)

// EncodeTokens runs the text encoder on tokens int32 [N, L] of its vocabulary:
// contexts [N, L, D].
func (m *Model) EncodeTokens(ctx context.Context, tokens *tensor.Tensor) (*tensor.Tensor, error) {
	if m.net.TextLength() == 0 {
		return nil, m.unfit("a text")
	}
	if len(tokens.Shape) != 2 || len(tokens.I32) == 0 || len(tokens.I32) != tokens.Shape.Size() || tokens.Shape[1] > m.net.TextLength() {
		return nil, fault.Inputf("tokens of shape %v: want int32 [N, L], L from 1 to %d", tokens.Shape, m.net.TextLength())
	}
	for i, id := range tokens.I32 {
		if v := m.net.Vocabulary() + len(m.learnt.vectors); id < 0 || int(id) >= v {
			return nil, fault.Inputf("token %d is %d: want 0 to %d", i, id, v-1)
		}
	}
	return m.encodeIDs(ctx, "tokens", tokens, 0)
}

// encodeIDs runs the conditioner on tokens [N, L] or labels [N]; skip is
// Request.ClipSkip.
func (m *Model) encodeIDs(ctx context.Context, input string, ids *tensor.Tensor, skip int) (out *tensor.Tensor, err error) {
	s := size{n: ids.Shape[0], tokens: ids.Shape[1:].Size(), skip: skip}
	values := ids
	if m.learnt.among(ids.I32, m.net.Vocabulary()) {
		s.embedded, input = true, "embedded"
		if values, err = m.lookUp(ids); err != nil {
			return nil, err
		}
	}
	err = m.context.Use(ctx, s, func(p engine.Program) error {
		copy(p.Input(input).I32, values.I32)
		copy(p.Input(input).F32, values.F32)
		if err := p.Run(ctx); err != nil {
			return err
		}
		out = p.Output(0).Clone()
		return nil
	})
	return out, err
}

// encodePicture turns pictures [N, H, W, C] in [-1, 1] into what the model joins
// to the latent, [N, h, w, C']: shrunk maps, small pictures as they are, or
// latents of the first stage.
func (m *Model) encodePicture(ctx context.Context, x *tensor.Tensor) (*tensor.Tensor, error) {
	if err := checkPictures(x, m.net.PictureChannels(), 1); err != nil {
		return nil, err
	}
	return batched(ctx, m.picture, x, max(pixelsAtOnce/(x.Shape[1]*x.Shape[2]), 1))
}

// encodeMasked turns pictures x [N, H, W, 3] in [-1, 1] and masks [N, H, W, 1],
// 1 in the hole and 0 elsewhere, into what an inpainting model joins to the latent:
// see model.Network.JoinHole.
func (m *Model) encodeMasked(ctx context.Context, x, mask *tensor.Tensor) (*tensor.Tensor, error) {
	masked := x.Clone()
	for i := range x.Shape[0] {
		m.net.CutHole(masked.Row(i).F32, mask.Row(i).F32)
	}
	z, err := m.encodePicture(ctx, masked)
	if err != nil {
		return nil, err
	}
	n, h, w := z.Shape[0], z.Shape[1], z.Shape[2]
	out := tensor.New(n, h, w, z.Shape[3]+1)
	for i := range n {
		m.net.JoinHole(out.Row(i).F32, z.Row(i).F32, mask.Row(i).F32, h, w)
	}
	return out, nil
}

// encodeTokens is the context of one text's or layout's tokens [1, L].
func (m *Model) encodeTokens(ctx context.Context, tokens *tensor.Tensor) (Encoding, error) {
	y, err := m.EncodeTokens(ctx, tokens)
	if err != nil {
		return Encoding{}, err
	}
	return Encoding{Context: y.Row(0)}, nil
}

// decode turns latents as they are diffused, [N, h, w, C], into pictures.
func (m *Model) decode(ctx context.Context, z *tensor.Tensor) (*tensor.Tensor, error) {
	scaled := tensor.New(z.Shape...)
	for i, v := range z.F32 {
		scaled.F32[i] = v / m.net.ScaleFactor
	}
	return m.stage.Decode(ctx, scaled)
}
