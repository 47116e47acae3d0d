package ldm

import (
	"context"
	"fmt"

	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/tensor"
)

// EncodeMasked turns pictures x [N, H, W, 3] in [-1, 1] and masks [N, H, W, 1],
// 1 in the hole and 0 elsewhere, into what an inpainting model joins to the
// latent: the latent of the picture with a black hole, and the mask, as ±1,
// shrunk to the latent's size by taking the nearest pixel.
func (m *Model) EncodeMasked(ctx context.Context, x, mask *tensor.Tensor) (*tensor.Tensor, error) {
	if m.net.Key != model.KeyConcat || m.net.Kind != model.LatentOfItself {
		return nil, fmt.Errorf("this model is not made for inpainting")
	}
	n, h, w, c := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	if !mask.Shape.Equal([]int{n, h, w, 1}) {
		return nil, fmt.Errorf("masks of shape %v for pictures of shape %v: want %v", mask.Shape, x.Shape, tensor.Shape{n, h, w, 1})
	}
	masked := tensor.New(x.Shape...)
	for i, v := range x.F32 {
		masked.F32[i] = (1-mask.F32[i/c])*(v+1) - 1
	}
	z, err := m.EncodePicture(ctx, masked)
	if err != nil {
		return nil, err
	}
	f, d := m.stage.Factor(), z.Shape[3]
	out := tensor.New(n, z.Shape[1], z.Shape[2], d+1)
	for i := range out.Shape[:3].Size() {
		y, k := i/z.Shape[2]%z.Shape[1], i%z.Shape[2]
		copy(out.F32[i*(d+1):], z.F32[i*d:(i+1)*d])
		out.F32[i*(d+1)+d] = 2*mask.F32[(i/(z.Shape[1]*z.Shape[2])*h+y*f)*w+k*f] - 1
	}
	return out, nil
}
