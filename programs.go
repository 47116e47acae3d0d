package ldm

import (
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/programs"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
)

// size is a batch of pictures or texts; skip is Request.ClipSkip, and embedded are
// texts with learnt words.
type size struct {
	n, h, w, tokens, skip int
	embedded              bool
}

// kind is the shape of one row of the denoiser's batch.
type kind struct {
	h, w, tokens int
	controlled   bool // by ControlNets
	variant
}

// cache keeps the programs of one network by shape.
func cache[S comparable](pool *programs.Pool, opt Options, w engine.Weights, build func(g *graph.Graph, shape S) graph.Value) *programs.Cache[S] {
	return cacheAll(pool, opt, w, func(g *graph.Graph, shape S) []graph.Value { return []graph.Value{build(g, shape)} })
}

// cacheAll is cache of a network of several outputs.
func cacheAll[S comparable](pool *programs.Pool, opt Options, w engine.Weights, build func(g *graph.Graph, shape S) []graph.Value) *programs.Cache[S] {
	if opt.Engine == nil {
		opt.Engine = missing{}
	}
	return programs.NewCache(pool, opt.Engine, w, opt.compile(), build)
}

// missing stands for the engine that options do not name, where weights were loaded
// by one.
type missing struct{ engine.Engine }

func (missing) Compile(*graph.Graph, []graph.Value, engine.Weights, engine.Options) (engine.Program, error) {
	return nil, fault.Inputf("the options name no engine: want the one that loaded the weights")
}

// sharedCells bounds the cells of latents that several callers have denoised together:
// of more, a batch is hardly faster than one after the other.
const sharedCells = 1 << 14

// shared is how many latents of a kind several callers have denoised together, on each
// device.
func shared(k kind) int { return min(max(sharedCells/max(k.h*k.w, 1), 1), maxBatch) }
