package ldm

import (
	"context"
	"fmt"
	"slices"

	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// TextRequest asks for pictures of texts.
type TextRequest struct {
	Prompts  []string // one for each picture
	Negative string   // what the guidance leads away from
	Seeds    []uint64 // one for each picture
	Steps    int      // of DDIM
	Scale    float64  // of classifier-free guidance; 1: none
	Eta      float64  // of DDIM
	Height   int      // pixels; 0: the size the model was trained at
	Width    int
	Progress func(done, total int)
}

// ClassRequest asks for pictures of classes; without a class embedder, for
// unconditional ones.
type ClassRequest struct {
	Labels   []int    // one for each picture
	Seeds    []uint64 // one for each picture
	Steps    int
	Scale    float64 // of guidance away from the last class; 1: none
	Eta      float64
	Height   int
	Width    int
	Progress func(done, total int)
}

// TextToImage makes pictures [N, H, W, 3], about in [-1, 1]. A picture depends
// on its prompt, its seed and the settings alone, not on the others.
func (m *Model) TextToImage(ctx context.Context, r TextRequest) (*tensor.Tensor, error) {
	if m.tokenizer == nil {
		return nil, fmt.Errorf("this model is not conditioned on text")
	}
	return m.sample(ctx, len(r.Prompts), sampling{
		seeds: r.Seeds, steps: r.Steps, eta: r.Eta, height: r.Height, width: r.Width, guided: r.Scale != 1, progress: r.Progress,
		denoiser: func(ctx context.Context, from, to int) (sampler.Denoiser, error) {
			cond, err := m.EncodeText(ctx, r.Prompts[from:to])
			if err != nil {
				return nil, err
			}
			return m.guided(ctx, cond, r.Scale, func() (*tensor.Tensor, error) {
				return m.EncodeText(ctx, slices.Repeat([]string{r.Negative}, to-from))
			})
		},
	})
}

// ClassToImage makes pictures of classes, like TextToImage.
func (m *Model) ClassToImage(ctx context.Context, r ClassRequest) (*tensor.Tensor, error) {
	if m.net.Class == nil && m.net.Key != model.KeyNone {
		return nil, fmt.Errorf("this model is conditioned by %s, not on classes", m.net.Kind)
	}
	return m.sample(ctx, len(r.Labels), sampling{
		seeds: r.Seeds, steps: r.Steps, eta: r.Eta, height: r.Height, width: r.Width, guided: r.Scale != 1 && m.net.Class != nil, progress: r.Progress,
		denoiser: func(ctx context.Context, from, to int) (sampler.Denoiser, error) {
			if m.net.Class == nil {
				return m.guided(ctx, nil, 1, nil)
			}
			cond, err := m.EncodeClasses(ctx, r.Labels[from:to])
			if err != nil {
				return nil, err
			}
			return m.guided(ctx, cond, r.Scale, func() (*tensor.Tensor, error) {
				return m.EncodeClasses(ctx, slices.Repeat([]int{m.net.Class.NClasses - 1}, to-from))
			})
		},
	})
}

// sampling is what all requests have in common.
type sampling struct {
	seeds         []uint64
	steps         int
	eta           float64
	height, width int
	guided        bool // with an empty condition beside each
	progress      func(done, total int)
	denoiser      func(ctx context.Context, from, to int) (sampler.Denoiser, error) // for some of the pictures
}

// sample draws n latents with DDIM, a few at a time, and decodes them.
func (m *Model) sample(ctx context.Context, n int, r sampling) (*tensor.Tensor, error) {
	if n == 0 || len(r.seeds) != n {
		return nil, fmt.Errorf("%d pictures and %d seeds: want as many of both, and at least one", n, len(r.seeds))
	}
	h, w, err := m.latentSize(r.height, r.width)
	if err != nil {
		return nil, err
	}
	path, err := sampler.Uniform(m.net.Schedule, r.steps)
	if err != nil {
		return nil, err
	}
	half := maxBatch / 2 // guidance doubles the batch
	total := (n + half - 1) / half * path.Steps()
	z := tensor.New(n, h, w, m.net.LatentChannels())
	for from := 0; from < n; from += half {
		to := min(from+half, n)
		if err := m.ahead(to-from, h, w, r.guided); err != nil {
			return nil, err
		}
		part := tensor.Of(z.F32[from*len(z.F32)/n:to*len(z.F32)/n], to-from, h, w, m.net.LatentChannels())
		denoise, err := r.denoiser(ctx, from, to)
		if err != nil {
			return nil, err
		}
		done := from / half * path.Steps()
		noise := sampler.Streams(r.seeds[from:to])
		noise(part, 0, 0)
		for state, err := range sampler.DDIM(ctx, denoise, part, path, sampler.Options{Eta: r.eta, Noise: noise}) {
			if err != nil {
				return nil, err
			}
			if r.progress != nil {
				r.progress(done+state.Step, total)
			}
		}
	}
	return m.DecodeLatents(ctx, z)
}

// ahead compiles the denoiser for so many pictures: its weights are packed while
// the condition is computed.
func (m *Model) ahead(n, h, w int, guided bool) error {
	s := size{n: n, h: h, w: w}
	if guided {
		s.n *= 2
	}
	if m.net.Key == model.KeyCrossAttn {
		s.tokens = max(m.net.TextLength(), 1) // classes have one
	}
	_, err := m.denoiser.get(s)
	return err
}

// DecodeLatents turns latents as they are diffused, [N, h, w, C], into pictures.
func (m *Model) DecodeLatents(ctx context.Context, z *tensor.Tensor) (*tensor.Tensor, error) {
	scaled := tensor.New(z.Shape...)
	for i, v := range z.F32 {
		scaled.F32[i] = v / m.net.ScaleFactor
	}
	return m.stage.Decode(ctx, scaled)
}

// latentSize turns a picture's size (0: that of training) into the latent's.
func (m *Model) latentSize(height, width int) (h, w int, err error) {
	f := m.stage.Factor()
	if height == 0 {
		height = m.net.Params.ImageSize * f
	}
	if width == 0 {
		width = m.net.Params.ImageSize * f
	}
	unit := f * m.net.UNet.Factor()
	if height%unit != 0 || width%unit != 0 || height < unit || width < unit {
		nearest := func(v int) int { return max((v+unit/2)/unit, 1) * unit }
		return 0, 0, fmt.Errorf("pictures of %dx%d: width and height must be multiples of %d; the nearest is %dx%d",
			width, height, unit, nearest(width), nearest(height))
	}
	return height / f, width / f, nil
}

// guided is the denoiser for contexts (nil for unconditional models), with
// classifier-free guidance where scale is not 1.
func (m *Model) guided(ctx context.Context, cond *tensor.Tensor, scale float64, empty func() (*tensor.Tensor, error)) (sampler.Denoiser, error) {
	conditions := []*tensor.Tensor{nil, cond}
	var both *tensor.Tensor
	if scale != 1 {
		uncond, err := empty()
		if err != nil {
			return nil, err
		}
		conditions[0], both = uncond, join(uncond, cond)
	}
	net := func(_ context.Context, x *tensor.Tensor, t float64, want ...int) ([]*tensor.Tensor, error) {
		if len(want) == 1 {
			y, err := m.Predict(ctx, x, t, conditions[want[0]])
			return []*tensor.Tensor{y}, err
		}
		y, err := m.Predict(ctx, join(x, x), t, both)
		if err != nil {
			return nil, err
		}
		n := len(x.F32)
		return []*tensor.Tensor{tensor.Of(y.F32[:n], x.Shape...), tensor.Of(y.F32[n:], x.Shape...)}, nil
	}
	return sampler.Guided(net, m.net.Schedule, sampler.Guidance{Scale: scale}), nil
}

// join puts two batches one behind the other.
func join(a, b *tensor.Tensor) *tensor.Tensor {
	shape := append(tensor.Shape(nil), a.Shape...)
	shape[0] += b.Shape[0]
	out := tensor.New(shape...)
	copy(out.F32[copy(out.F32, a.F32):], b.F32)
	return out
}

// EncodeText turns texts into contexts [N, L, D].
func (m *Model) EncodeText(ctx context.Context, texts []string) (*tensor.Tensor, error) {
	if m.tokenizer == nil {
		return nil, fmt.Errorf("this model is not conditioned on text")
	}
	l := m.net.TextLength()
	ids := tensor.NewInt(len(texts), l)
	for i, text := range texts {
		m.tokenizer.Encode(text, ids.I32[i*l:(i+1)*l])
	}
	return m.encodeIDs(ctx, "tokens", ids)
}

// EncodeClasses turns labels into contexts [N, 1, D].
func (m *Model) EncodeClasses(ctx context.Context, labels []int) (*tensor.Tensor, error) {
	ids := tensor.NewInt(len(labels))
	for i, label := range labels {
		ids.I32[i] = int32(label)
	}
	return m.encodeIDs(ctx, "labels", ids)
}

// encodeIDs runs the conditioner on tokens [N, L] or labels [N].
func (m *Model) encodeIDs(ctx context.Context, input string, ids *tensor.Tensor) (*tensor.Tensor, error) {
	prog, err := m.context.get(size{n: ids.Shape[0], tokens: ids.Shape[1:].Size()})
	if err != nil {
		return nil, err
	}
	in := prog.Input(input)
	if in == nil || len(in.I32) != len(ids.I32) {
		return nil, fmt.Errorf("%s of shape %v do not fit this model's conditioner", input, ids.Shape)
	}
	copy(in.I32, ids.I32)
	if err := prog.Run(ctx); err != nil {
		return nil, err
	}
	return prog.Output(0).Clone(), nil
}

// EncodePicture turns pictures [N, H, W, C] in [-1, 1] into what the model joins
// to the latent, [N, h, w, C']: shrunk segmentation maps, low-resolution
// pictures as they are, or latents of the first stage.
func (m *Model) EncodePicture(ctx context.Context, x *tensor.Tensor) (*tensor.Tensor, error) {
	if m.net.Key != model.KeyConcat {
		return nil, fmt.Errorf("this model is not conditioned on pictures")
	}
	if x.Shape[3] != m.net.PictureChannels() {
		return nil, fmt.Errorf("pictures of %d channels: this model wants %d", x.Shape[3], m.net.PictureChannels())
	}
	return batched(ctx, m.picture, x)
}

// Predict runs the network on latents [N, H, W, C] at timestep t, with the
// condition of the model's kind: contexts [N, S, D] or what is joined to the
// latent, [N, H, W, C']; nil for unconditional models. The result holds until
// the next call.
func (m *Model) Predict(ctx context.Context, x *tensor.Tensor, t float64, condition *tensor.Tensor) (*tensor.Tensor, error) {
	s := size{n: x.Shape[0], h: x.Shape[1], w: x.Shape[2]}
	if m.net.Key == model.KeyCrossAttn && condition != nil {
		s.tokens = condition.Shape[1]
	}
	prog, err := m.denoiser.get(s)
	if err != nil {
		return nil, err
	}
	copy(prog.Input("x").F32, x.F32)
	for i := range prog.Input("t").F32 {
		prog.Input("t").F32[i] = float32(t)
	}
	if in := prog.Input("condition"); in != nil {
		if condition == nil || len(condition.F32) != len(in.F32) || len(condition.I32) != len(in.I32) {
			return nil, fmt.Errorf("the denoiser wants a condition of shape %v", in.Shape)
		}
		copy(in.F32, condition.F32)
		copy(in.I32, condition.I32)
	}
	if err := prog.Run(ctx); err != nil {
		return nil, err
	}
	return prog.Output(0), nil
}
