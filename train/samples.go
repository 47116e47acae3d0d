package train

import (
	"context"
	"image"
	"math"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/tensor"
)

// pictures samples the configured prompts and captions of the set, its classes,
// or what its pictures are conditions for; those stand above the samples then.
func (s *secondStage) pictures(ctx context.Context) (image.Image, error) {
	request := s.sampled
	request.Steps = s.cfg.Samples.Steps
	if request.Guidance == 0 {
		request.Guidance = s.cfg.Samples.Scale
	}
	list, above, err := s.shown()
	if err != nil {
		return nil, err
	}
	count, columns := mostSamples, int(math.Ceil(math.Sqrt(mostSamples)))
	if len(list) > 0 {
		request.Condition, count = list, len(list)
		columns = int(math.Ceil(math.Sqrt(float64(count))))
	}
	if above != nil {
		columns = count
	}
	if above != nil || s.net.LayoutTokens() || len(list) == 0 {
		request.Guidance = 1 // there is no empty condition
	}
	size := s.cfg.Data.Size
	request.Seeds, request.Width, request.Height = ldm.Seeds(1, count), size, size
	out, err := s.model.Generate(ctx, request)
	if err != nil {
		return nil, err
	}
	if above == nil {
		return picture.Grid(out.Pixels, columns), nil
	}
	both := tensor.New(append([]int{2 * count}, out.Pixels.Shape[1:]...)...)
	copy(both.F32, above.F32)
	copy(both.F32[len(above.F32):], out.Pixels.F32)
	return picture.Grid(both, columns), nil
}

// mostSamples bounds the pictures that are drawn at a time.
const mostSamples = 16

// shower is a condition that can be made of a set's pictures.
type shower interface {
	show(pick data.Pick, from *latents) (ldm.Condition, error)
}

// shown lists the conditions that samples are drawn of, none for unconditional
// models, and the pictures [N, H, W, 3] that they come from, if they come from some.
func (s *secondStage) shown() (list ldm.Each, above *tensor.Tensor, err error) {
	of, fromPictures := s.condition.(shower)
	switch {
	case fromPictures:
		from := s.latents
		if s.held != nil {
			from = s.held
		}
		n, size := min(8, from.feed.Set.Len()), from.feed.Set.Size
		above = tensor.New(n, size, size, 3)
		for i := range n {
			pick := data.Pick{Index: i * from.feed.Set.Len() / n, X: .5, Y: .5}
			if texts := from.feed.Set.Items[pick.Index].Texts; len(texts) > 0 && s.tok != nil {
				pick.Text = texts[0]
			}
			if err := from.feed.fill(above.Row(i).F32, &pick); err != nil {
				return nil, nil, err
			}
			c, err := of.show(pick, from)
			if err != nil {
				return nil, nil, err
			}
			list = append(list, c)
		}
	case s.net.TextLength() > 0:
		for _, p := range s.prompts() {
			list = append(list, ldm.Prompt(p))
		}
	case len(s.classes) > 0:
		for i := range mostSamples {
			list = append(list, ldm.Class(i%len(s.classes)))
		}
	}
	return list, above, nil
}

// prompts are those of the configuration, filled up to 8 with different
// captions, evenly from the set.
func (s *secondStage) prompts() []string {
	prompts := append([]string(nil), s.cfg.Samples.Prompts...)
	seen := map[string]bool{}
	for _, p := range prompts {
		seen[p] = true
	}
	items := s.train.Set.Items
	for _, stride := range []int{max(len(items)/8, 1), 1} { // evenly first; then any that are left
		for i := 0; len(prompts) < 8 && i < len(items); i += stride {
			if texts := items[i].Texts; len(texts) > 0 && !seen[texts[0]] {
				seen[texts[0]] = true
				prompts = append(prompts, texts[0])
			}
		}
	}
	if len(prompts) == 0 {
		prompts = []string{""}
	}
	return prompts[:min(len(prompts), mostSamples)]
}
