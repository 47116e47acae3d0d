package ldm

import (
	"context"
	"image"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// Step says how far a request has come. Its methods may be called until OnStep
// returns.
type Step struct {
	Done, Total int            // steps, over all of the request's pictures
	First       int            // the number of the first picture that is in work
	X           *tensor.Tensor // the latents in work, [n, h, w, C]; changed, the sampler goes on from what it finds
	X0          *tensor.Tensor // the clean latents as they were predicted
	model       *Model
}

// Decode shows the pictures in work as the first stage makes them of X0. It takes
// as long as the end of a request does.
func (s Step) Decode(ctx context.Context) ([]image.Image, error) {
	y, err := s.model.decode(ctx, s.X0)
	if err != nil {
		return nil, err
	}
	return images(y), nil
}

// Preview shows the pictures in work small, a pixel for each cell of the latent,
// at next to no cost. The colours are a linear guess, which the first call makes
// by decoding once. Where a tiny autoencoder decodes, they are its pictures.
func (s Step) Preview(ctx context.Context) ([]image.Image, error) {
	if s.model.net.FirstStage.Kind == autoencoder.Tiny {
		return s.Decode(ctx)
	}
	rough, err := s.model.colours(ctx, s.X0)
	if err != nil {
		return nil, err
	}
	return images(rough.apply(s.X0)), nil
}

func images(y *tensor.Tensor) []image.Image {
	out := make([]image.Image, y.Shape[0])
	for i := range out {
		out[i] = picture.Image(y.Row(i))
	}
	return out
}
