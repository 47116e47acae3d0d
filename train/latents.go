package train

import (
	"context"
	"math"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/tensor"
)

// latents keeps the posteriors of a set's pictures, each computed at its first
// use: the first stage is frozen, and a picture's moments do not depend on its
// batch, so keeping them changes no bit.
type latents struct {
	stage   *ldm.FirstStage
	set     *data.Set
	moments [2][]*tensor.Tensor // plain and mirrored
}

func newLatents(stage *ldm.FirstStage, set *data.Set) *latents {
	l := &latents{stage: stage, set: set}
	for i := range l.moments {
		l.moments[i] = make([]*tensor.Tensor, set.Len())
	}
	return l
}

// sample draws a latent [h, w, D] of a picture from its posterior.
func (l *latents) sample(ctx context.Context, dst []float32, pick data.Pick, noise tensor.Stream) error {
	side := 0
	if pick.Mirror {
		side = 1
	}
	m := l.moments[side][pick.Index]
	if m == nil {
		x := tensor.New(1, l.set.Size, l.set.Size, 3)
		err := l.set.Fill(x.F32, pick.Index, pick.Mirror)
		if err != nil {
			return err
		}
		if m, err = l.stage.Moments(ctx, x); err != nil {
			return err
		}
		l.moments[side][pick.Index] = m
	}
	noise.Normal(dst)
	d := l.stage.Config.EmbedDim
	for i, n := range dst {
		mean, logvar := m.F32[i/d*2*d+i%d], m.F32[i/d*2*d+d+i%d]
		dst[i] = autoencoder.SampleFrom(mean, logvar, n)
	}
	return nil
}

// std is the standard deviation of the latents of a sample of the pictures.
func (l *latents) std(ctx context.Context, seed uint64) (float64, error) {
	const most = 256
	f := l.stage.Factor()
	z := make([]float32, l.set.Size/f*l.set.Size/f*l.stage.Config.EmbedDim)
	var sum, square, n float64
	for k := range min(most, l.set.Len()) {
		i := k * l.set.Len() / min(most, l.set.Len())
		if err := l.sample(ctx, z, data.Pick{Index: i}, tensor.NewStream(seed, drawSample, uint64(i))); err != nil {
			return 0, err
		}
		for _, v := range z {
			sum += float64(v)
			square += float64(v) * float64(v)
		}
		n += float64(len(z))
	}
	return math.Sqrt((square - sum*sum/n) / (n - 1)), nil
}
