package ldm

import (
	"context"

	"github.com/ldm-go/ldm/fault"
)

// checkMemory refuses a request that needs more than the machine has, before
// anything of its size is allocated.
func (g *generation) checkMemory() error {
	const floats = 4
	f := g.stage.Factor()
	pixels := float64(g.Width) * float64(g.Height) * float64(len(g.Seeds))
	need := pixels * floats * (float64(g.net.FirstStage.PictureChannels()) + 8*float64(g.net.LatentChannels())/float64(f*f))
	if have := machineMemory(); have > 0 && need > float64(have) {
		return fault.Memoryf("%d pictures of %dx%d need more than %.1f GB for their pixels alone: there are %.1f GB", len(g.Seeds), g.Width, g.Height, need/1e9, float64(have)/1e9)
	}
	return nil
}

var _ = context.Background
