package unet

import (
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// MostMerged is the largest share of tokens that can be merged: all but one in each cell of 2x2.
const MostMerged = 0.75

// merging is what self-attention does with tokens that are alike: at the U-Net's finest
// level with attention, which costs the most, a share of them is merged before it, and
// takes the result apart behind it (Bolya and Hoffman, arXiv 2303.17604). What is alike is
// found anew in every block, on what comes into it. The tokens that others are merged
// into lie at another corner of the cells of 2x2 from block to block, where the paper draws
// them at random, so that no place of the picture is always the one that is kept.
type merging struct {
	share  float64
	blocks int // so far
}

// of returns what merges the tokens of a block, as those of x, [N, h·w, C] or [N, h, w, C], are alike, and what takes
// them apart. Where nothing is merged both leave them as they are.
func (m *merging) of(g *graph.Graph, x graph.Value, h, w int) (merge, part func(graph.Value) graph.Value) {
	op := graph.MatchTokens{H: h, W: w, Top: m.blocks / 2 % 2, Left: m.blocks % 2}
	op.Merged = min(int(m.share*float64(h*w)), op.Sources())
	if op.Merged < 1 || h%2 != 0 || w%2 != 0 {
		same := func(v graph.Value) graph.Value { return v }
		return same, same
	}
	m.blocks++
	place := g.MatchTokens(g.Reshape(x, x.Dim(0), h*w, x.Dim(-1)), op)
	return func(v graph.Value) graph.Value { return g.MergeTokens(v, place, h*w-op.Merged) },
		func(v graph.Value) graph.Value { return g.UnmergeTokens(v, place) }
}

// merges is how the tokens of blocks with ds pixels of the latent for each are merged:
// at the finest level with attention, and nowhere else.
func (n *network) merges(ds int) *merging {
	for finer := 1; finer < ds; finer *= 2 {
		if n.attends(finer) {
			return &merging{}
		}
	}
	return &n.merging
}

// MergesTokens tells whether the tokens of latents of h x w can be merged: the finest level
// with attention must have even sides.
func (c Config) MergesTokens(h, w int) bool {
	n := network{Config: c}
	for level := range c.ChannelMult {
		if ds := 1 << level; n.attends(ds) || level == len(c.ChannelMult)-1 {
			return h%(2*ds) == 0 && w%(2*ds) == 0
		}
	}
	return false
}

// deep is a U-Net's deep part, which changes little from step to step (DeepCache: Ma et
// al., arXiv 2312.00858, section 3.2): what the last of its output blocks gives can be kept,
// and the shallow part alone, so many input and output blocks, computed on it.
type deep struct {
	branch int         // of output blocks that are computed anew; 0: all
	kept   graph.Value // the deep part's result, given or found
	given  bool
}

// Branches is the number of branches that a cache of deep features can have: 1 computes
// the least anew.
func (c Config) Branches() int { return len(c.ChannelMult)*(c.NumResBlocks+1) - 1 }

// DeepShape is the shape of the deep features of a latent of h x w: what comes into the
// first of the output blocks that branch computes anew.
func (c Config) DeepShape(h, w, branch int) graph.Shape {
	blocks := c.NumResBlocks + 1
	last := len(c.ChannelMult)*blocks - branch - 1 // of the deep part's output blocks
	level := len(c.ChannelMult) - 1 - last/blocks
	size := level
	if last%blocks == blocks-1 { // which ends with an enlargement
		size--
	}
	return graph.Shape{h >> size, w >> size, c.ModelChannels * c.ChannelMult[level]}
}

// BuildDeep is Build that gives the deep features [N, DeepShape] of a branch too.
func (c Config) BuildDeep(b nn.Builder, in Inputs, branch int) (y, features graph.Value) {
	if branch < 1 || branch > c.Branches() {
		b.G.Fail("unet: branch %d of a cache of deep features: want 1 to %d", branch, c.Branches())
		return in.X, in.X
	}
	return c.build(b, in, deep{branch: branch})
}

// BuildShallow is Build of the shallow part alone, on the deep features of a branch.
func (c Config) BuildShallow(b nn.Builder, in Inputs, branch int, features graph.Value) graph.Value {
	if branch < 1 || branch > c.Branches() {
		b.G.Fail("unet: branch %d of a cache of deep features: want 1 to %d", branch, c.Branches())
		return in.X
	}
	y, _ := c.build(b, in, deep{branch, features, true})
	return y
}
