package ldm

import (
	"github.com/dustin/go-humanize"

	"github.com/ldm-go/ldm/fault"
)

// checkMemory refuses a request whose pictures and latents alone need more than a
// model may take, before anything of their size is allocated. Networks that need
// more compute in parts.
func (g *generation) checkMemory() error {
	const (
		float     = 4
		perPixel  = 3*float + 4     // as numbers, and as a picture
		perLatent = 8 * float       // the sampler's and the decoder's copies
		perStart  = 2*3*float + 2*4 // the start and its mask, as numbers and as pictures
	)
	pixels, count := float64(g.Width)*float64(g.Height), float64(len(g.Seeds))
	f := float64(g.stage.Factor())
	need := count*pixels*perPixel + count*pixels/(f*f)*float64(g.net.LatentChannels())*perLatent
	if g.Start != nil {
		need += pixels * perStart
	}
	if have := g.stage.large.MaxBytes; need > float64(have) {
		return fault.Memoryf("%d pictures of %dx%d need %s: want at most %s", len(g.Seeds), g.Width, g.Height,
			humanize.IBytes(uint64(min(need, 1e18))), humanize.IBytes(uint64(have)))
	}
	return nil
}
