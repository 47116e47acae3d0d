package train

import (
	"context"
	"image"
	"math"
	"path/filepath"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/data/cache"
	"github.com/ldm-go/ldm/tensor"
)

// latents keeps the posteriors of a set's pictures, each computed at its first
// use: the first stage is frozen, and a picture's moments do not depend on its
// batch, so keeping them changes no bit. What has no room in memory is kept in
// the run's folder. Random crops are encoded anew each time,
// unless there are few of a picture.
type latents struct {
	stage *ldm.FirstStage
	feed  *feed
	cache *cache.Cache // none for random crops without number
	keys  map[shown]cache.Key
}

func newLatents(stage *ldm.FirstStage, f *feed) *latents {
	return &latents{stage: stage, feed: f, keys: map[shown]cache.Key{}}
}

// shown is what a pick shows, of the picks that are dealt again and again.
type shown struct {
	index, crop int
	mirror      bool
}

// openCache makes a cache of a run that was accepted, of what follows from a
// network with that digest. Without a place on disk it is in memory alone.
func (c DiffusionConfig) openCache(r Run, depends string) *cache.Cache {
	o := cache.Options{Memory: int64(c.CacheMB) << 20, Dir: filepath.Join(r.Dir, LatentFolder+r.suffix()), Depends: depends}
	opened, err := cache.Open(o)
	if err != nil {
		r.line("encoded pictures are kept in memory alone: %v", err)
		o.Dir = ""
		opened, _ = cache.Open(o)
	}
	return opened
}

// shape is the size of a latent.
func (l *latents) shape() (h, w, channels int) {
	side := l.feed.Set.Size / l.stage.Factor()
	return side, side, l.stage.Config.LatentChannels()
}

// shapeOf is the size of a pick's latent.
func (l *latents) shapeOf(p data.Pick) (h, w, channels int) {
	h, w, channels = l.shape()
	if p.Bucket != (image.Point{}) {
		h, w = p.Bucket.Y/l.stage.Factor(), p.Bucket.X/l.stage.Factor()
	}
	return h, w, channels
}

// sample draws a latent [h, w, D] of a picture from its posterior; the latents
// of a first stage without posteriors are what the encoder says. If the picture
// cannot be read the pick becomes another.
func (l *latents) sample(ctx context.Context, dst []float32, pick *data.Pick, noise tensor.Stream) error {
	m, err := l.posterior(ctx, pick)
	if err != nil {
		return err
	}
	if l.stage.Config.Kind != autoencoder.KL {
		copy(dst, m)
		return nil
	}
	noise.Normal(dst)
	drawLatent(dst, m, dst, l.stage.Config.EmbedDim)
	return nil
}

// drawLatent draws numbers of d channels from posteriors with those moments.
func drawLatent(dst, moments, noise []float32, d int) {
	for i, n := range noise {
		mean, logvar := moments[i/d*2*d+i%d], moments[i/d*2*d+d+i%d]
		dst[i] = autoencoder.SampleFrom(mean, logvar, n)
	}
}

// posterior encodes a picture, or has done so before: the moments of a KL first
// stage, or what another one says.
func (l *latents) posterior(ctx context.Context, pick *data.Pick) ([]float32, error) {
	pick.Index = l.feed.readable(pick.Index)
	key, known := l.key(*pick)
	if known {
		if m, ok := l.cache.Get(key); ok {
			return m, nil
		}
	}
	h, w, _ := l.shapeOf(*pick)
	x := tensor.New(1, h*l.stage.Factor(), w*l.stage.Factor(), 3)
	if err := l.feed.fill(x.F32, pick); err != nil {
		return nil, err
	}
	m, err := l.stage.Moments(ctx, x)
	if err != nil {
		return nil, err
	}
	if key, known = l.key(*pick); known { // another one if the picture was broken
		l.cache.Put(key, m.F32)
	}
	return m.F32, nil
}

// key identifies a picture's posterior by the picture's content.
func (l *latents) key(pick data.Pick) (cache.Key, bool) {
	if l.cache == nil {
		return cache.Key{}, false
	}
	of := shown{pick.Index, pick.Crop, pick.Mirror}
	key, known := l.keys[of]
	if !known {
		var err error
		if key, err = l.feed.Set.Key(pick); err != nil { // filling says what is wrong
			return cache.Key{}, false
		}
		l.keys[of] = key
	}
	return key, true
}

// std is the standard deviation of the latents of a sample of the pictures.
func (l *latents) std(ctx context.Context, seed uint64) (float64, error) {
	const most = 256
	var d deviation
	for k := range min(most, l.feed.Set.Len()) {
		i := k * l.feed.Set.Len() / min(most, l.feed.Set.Len())
		pick := data.Pick{Index: i, X: .5, Y: .5, Bucket: l.feed.Set.Bucket(i)}
		h, w, c := l.shapeOf(pick)
		z := make([]float32, h*w*c)
		if err := l.sample(ctx, z, &pick, tensor.NewStream(seed, drawSample, uint64(i))); err != nil {
			return 0, err
		}
		d.add(z)
	}
	return d.std(), nil
}

// deviation sums up numbers for their standard deviation, which divides by n-1.
type deviation struct{ sum, square, n float64 }

func (d *deviation) add(z []float32) {
	for _, v := range z {
		d.sum += float64(v)
		d.square += float64(v) * float64(v)
	}
	d.n += float64(len(z))
}

func (d *deviation) std() float64 { return math.Sqrt((d.square - d.sum*d.sum/d.n) / (d.n - 1)) }
