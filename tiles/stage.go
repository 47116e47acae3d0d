package tiles

import (
	"context"
	"errors"
	"fmt"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// Way is how a first stage goes through a picture.
type Way uint8

// The ways. Auto is exact, but by patches where attention over all pixels would take
// most of the time, or the memory does not suffice.
const (
	Auto    Way = iota
	Exact       // the result of the whole, computed by tiles where memory asks for it
	Patches     // patch by patch with cross-fades: less time and memory, a result that is close
)

// Large is from how many pixels on a picture goes through a Stage, which says on
// the way how far it is.
const Large = 1 << 21

type progressKey struct{}

// WithProgress makes what works through a large picture under ctx report the share
// that is done.
func WithProgress(ctx context.Context, f func(share float64)) context.Context {
	return context.WithValue(ctx, progressKey{}, f)
}

// ProgressOf is the function of WithProgress, or nil.
func ProgressOf(ctx context.Context) func(share float64) {
	f, _ := ctx.Value(progressKey{}).(func(float64))
	return f
}

// maxTokens is up to how many pixels attention over all of them is taken: it grows
// with their square, and at 2¹⁸ (a picture of 4096x4096 at f = 8) about equals the rest.
const maxTokens = 1 << 18

// patchSize is the side in pixels of the pictures that patches encode or decode to.
const patchSize = 512

// Stage encodes and decodes pictures of any size in bounded memory.
type Stage struct {
	autoencoder.Config
	Engine   engine.Engine
	Weights  engine.Weights
	Prefix   string // of the parameters' names
	Options  engine.Options
	MaxBytes int64 // beside the weights and the pictures; see Chain
	Way      Way
	Progress func(share float64)
	Log      func(line string) // told when patches are taken; may be nil
}

// Encode turns pictures [N, H, W, C] in [-1, 1] into what autoencoder.Config.Encode
// gives, [N, H/f, W/f, ...].
func (s Stage) Encode(ctx context.Context, x *tensor.Tensor) (*tensor.Tensor, error) {
	f := s.Factor()
	if x.Shape[1]%f != 0 || x.Shape[2]%f != 0 {
		return nil, fault.Inputf("a picture of %dx%d: width and height must be multiples of %d", x.Shape[2], x.Shape[1], f)
	}
	if !s.HasEncoder() {
		return nil, fault.Unsupportedf("this first stage has a decoder alone")
	}
	return s.run(ctx, x, s.EncodeSteps(), patchSize/f*f, Ratio{1, f})
}

// Decode turns latents [N, h, w, D] into pictures [N, f·h, f·w, C], about in [-1, 1].
// A VQ quantises them first.
func (s Stage) Decode(ctx context.Context, z *tensor.Tensor) (*tensor.Tensor, error) {
	if !s.HasDecoder() {
		return nil, fault.Unsupportedf("this first stage has an encoder alone")
	}
	f := s.Factor()
	steps := s.DecodeSteps()
	if s.Kind == autoencoder.VQ {
		steps = append([]autoencoder.Step{s.QuantizeStep()}, steps...)
	}
	return s.run(ctx, z, steps, max(patchSize/f, 1), Ratio{f, 1})
}

func (s Stage) run(ctx context.Context, x *tensor.Tensor, steps []autoencoder.Step, patch int, r Ratio) (*tensor.Tensor, error) {
	if s.Way == Patches {
		return s.patches(ctx, x, steps, patch, r)
	}
	if n := tokens(steps, x.Shape[1], x.Shape[2]); s.Way == Auto && n > maxTokens {
		s.log("%d x %d pixels: attention over %d of them would take most of the time, so that patches of %d are joined (close to the result of the whole, not equal)", x.Shape[2], x.Shape[1], n, patch)
		return s.patches(ctx, x, steps, patch, r)
	}
	y, err := s.chain(steps).Run(ctx, x)
	if s.Way == Auto && errors.Is(err, fault.Memory) {
		s.log("%v; patches of %d pixels are joined instead (close to the result of the whole, not equal)", err, patch)
		return s.patches(ctx, x, steps, patch, r)
	}
	return y, err
}

func (s Stage) chain(steps []autoencoder.Step) Chain {
	return Chain{
		Steps: steps, Engine: s.Engine, Weights: s.Weights, Prefix: s.Prefix, Options: s.Options,
		MaxBytes: s.MaxBytes, Progress: s.Progress,
	}
}

func (s Stage) log(format string, args ...any) {
	if s.Log != nil {
		s.Log(fmt.Sprintf(format, args...))
	}
}

// tokens is over how many pixels steps attend at most.
func tokens(steps []autoencoder.Step, h, w int) (most int) {
	for _, s := range steps {
		h, w = h*s.Up/s.Down, w*s.Up/s.Down
		if s.Global {
			most = max(most, h*w)
		}
	}
	return most
}

// patches goes patch by patch, which overlap by a quarter.
func (s Stage) patches(ctx context.Context, x *tensor.Tensor, steps []autoencoder.Step, size int, r Ratio) (*tensor.Tensor, error) {
	split := NewSplit(size)
	stride := max(size*3/4/r.Down*r.Down, r.Down)
	split.Stride = [2]int{stride, stride}
	h, w := min(size, x.Shape[1]), min(size, x.Shape[2])
	g := graph.New()
	b, y := nn.NewBuilder(g).In(s.Prefix), g.Input("x", x.Shape[0], h, w, x.Shape[3])
	for _, step := range steps {
		y = step.Build(b, whole, y)
	}
	opt := s.Options
	opt.MaxBytes = s.MaxBytes
	prog, err := s.Engine.Compile(g, []graph.Value{y}, s.Weights, opt)
	if err != nil {
		return nil, err
	}
	defer prog.Close()
	total := len(starts(x.Shape[1], h, min(stride, h))) * len(starts(x.Shape[2], w, min(stride, w)))
	done := 0
	return split.Apply(ctx, []*tensor.Tensor{x}, r, func(ctx context.Context, p Patch) (*tensor.Tensor, error) {
		copy(prog.Input("x").F32, p.X[0].F32)
		err := prog.Run(ctx)
		if done++; s.Progress != nil {
			s.Progress(float64(done) / float64(total))
		}
		return prog.Output(0), err
	})
}
