package unet

import (
	"strconv"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

const eps = 1e-5 // of group norms, except in spatial transformers

// Inputs are what the denoiser sees.
type Inputs struct {
	X        graph.Value // [N, H, W, C]
	T        graph.Value // [N], timesteps
	Concat   graph.Value // [N, H, W, InChannels - C], joined to X (conditioning key concat), or none
	Context  graph.Value // [N, S, ContextDim], for cross-attention (crossattn), or none
	Y        graph.Value // int32 [N], labels (adm), or none
	Guidance graph.Value // [N, TimeCondProjDim], see GuidanceEmbedding, or none

	// Residuals, in the order and shapes of Config.Residuals, are added to the outputs of
	// the way down and of the middle; none: nothing is. Of a shallow part those of its
	// own outputs are there alone.
	Residuals []graph.Value

	// Merge is the share of tokens, up to MostMerged, that self-attention takes together
	// with others which they are like; 0: none. The network is then no more than sampled.
	Merge float64
}

// Smallest declares the least that a network of this configuration reads: one latent of
// Factor pixels a side with all channels, and one token, where it attends to a context.
// It serves to list parameters, which do not depend on sizes.
func (c Config) Smallest(g *graph.Graph) Inputs {
	f := c.Factor()
	in := Inputs{X: g.Input("x", 1, f, f, c.InChannels), T: g.Input("t", 1)}
	if c.UseSpatialTransformer {
		in.Context = g.Input("context", 1, 1, c.ContextDim)
	}
	if c.TimeCondProjDim > 0 {
		in.Guidance = g.Input("guidance", 1, c.TimeCondProjDim)
	}
	if c.NumClasses > 0 {
		in.Y = g.IntInput("y", 1)
	}
	return in
}

// network is a U-Net being built.
type network struct {
	Config
	emb     graph.Value // [N, 4·ModelChannels]
	context graph.Value
	merging merging
	deep    deep
	hint    graph.Value // of a ControlNet, added to the first convolution's output
}

// Build adds the U-Net and returns its output [N, H, W, OutChannels] (or
// [N, H, W, NEmbed] logits). H and W must be multiples of Factor.
func (c Config) Build(b nn.Builder, in Inputs) graph.Value {
	y, _ := c.build(b, in, deep{})
	return y
}

// build gives the deep features besides.
func (c Config) build(b nn.Builder, in Inputs, d deep) (y, features graph.Value) {
	if err := c.Validate(); err != nil {
		b.G.Fail("%w", err)
		return in.X, in.X
	}
	if f := c.Factor(); in.X.Dim(1)%f != 0 || in.X.Dim(2)%f != 0 {
		b.G.Fail("latents of %dx%d: width and height must be multiples of %d", in.X.Dim(2), in.X.Dim(1), f)
		return in.X, in.X
	}
	x := in.X
	if in.Concat.Valid() {
		x = b.G.Concat(3, x, in.Concat)
	}
	if x.Dim(3) != c.InChannels {
		b.G.Fail("unet: %d channels with those of the condition: want in_channels, %d", x.Dim(3), c.InChannels)
		return in.X, in.X
	}
	n := &network{Config: c, context: in.Context, merging: merging{share: in.Merge}, deep: d}
	n.timeEmbed(b, in)
	h, skips := n.down(b, x)
	if len(in.Residuals) > 0 && !n.add(b.G, skips, in.Residuals) {
		return in.X, in.X
	}
	if !d.given {
		h = n.middle(b.In("middle_block"), h)
		if last := len(skips); len(in.Residuals) > last {
			h = b.G.Add(h, in.Residuals[last])
		}
	}
	h = n.up(b, h, skips)
	g := nn.GroupNorm(b.In("out").In("0"), h, eps, true)
	out := nn.Conv2D(b.In("out").In("2"), g, c.OutChannels, nn.Conv3.Zeroed())
	if c.NEmbed > 0 {
		h = nn.GroupNorm(b.In("id_predictor").In("0"), h, eps, false)
		return nn.Conv2D(b.In("id_predictor").In("1"), h, c.NEmbed, nn.Conv1), n.deep.kept
	}
	return out, n.deep.kept
}

// add adds residuals to the outputs of the way down.
func (n *network) add(g *graph.Graph, skips, residuals []graph.Value) bool {
	if want := len(skips) + 1; len(residuals) != want && !(n.deep.given && len(residuals) == want-1) {
		g.Fail("unet: %d residuals: want %d", len(residuals), want)
		return false
	}
	for i, s := range skips {
		skips[i] = g.Add(s, residuals[i])
	}
	return true
}

// timeEmbed is linear(SiLU(linear(sinusoids of t))), plus the label's embedding. A
// student's sinusoids have a linear map of the guidance's added to them.
func (n *network) timeEmbed(b nn.Builder, in Inputs) {
	mc := n.ModelChannels
	sinusoids := b.G.TimestepEmbedding(in.T, mc)
	if n.TimeCondProjDim > 0 {
		if !in.Guidance.Valid() {
			b.G.Fail("unet: time_cond_proj_dim is %d: the guidance is needed", n.TimeCondProjDim)
			return
		}
		sinusoids = b.G.Add(sinusoids, nn.LinearNoBias(b.In("time_embed").In("cond_proj"), in.Guidance, mc))
	}
	e := nn.Linear(b.In("time_embed").In("0"), sinusoids, 4*mc)
	e = nn.Linear(b.In("time_embed").In("2"), b.G.Unary(graph.SiLU, e), 4*mc)
	if n.NumClasses > 0 {
		if !in.Y.Valid() {
			b.G.Fail("unet: num_classes is %d: a label is needed", n.NumClasses)
			return
		}
		e = b.G.Add(e, nn.Embedding(b.In("label_emb"), in.Y, n.NumClasses, 4*mc))
	}
	n.emb = b.G.Unary(graph.SiLU, e) // every residual block begins with it
}

func (n *network) attends(ds int) bool {
	for _, r := range n.AttentionResolutions {
		if r == ds {
			return true
		}
	}
	return false
}

// down runs the input blocks, of the shallow part alone where the deep features are given,
// and keeps their outputs for the way up.
func (n *network) down(b nn.Builder, x graph.Value) (graph.Value, []graph.Value) {
	block := numbered(b.In("input_blocks"))
	h := nn.Conv2D(block().In("0"), x, n.ModelChannels, nn.Conv3)
	if n.hint.Valid() {
		h = b.G.Add(h, n.hint)
	}
	skips := []graph.Value{h}
	ds := 1
	for level, mult := range n.ChannelMult {
		for range n.NumResBlocks {
			if n.deep.given && len(skips) == n.deep.branch {
				return h, skips
			}
			bb := block()
			h = n.resBlock(bb.In("0"), h, mult*n.ModelChannels, same)
			if n.attends(ds) {
				h = n.attention(bb.In("1"), h, n.NumHeads, ds)
			}
			skips = append(skips, h)
		}
		if n.deep.given && len(skips) == n.deep.branch {
			return h, skips
		}
		if level < len(n.ChannelMult)-1 {
			bb := block().In("0")
			switch {
			case n.ResblockUpdown:
				h = n.resBlock(bb, h, h.Dim(3), half)
			case !n.convolves():
				h = b.G.AvgPool(h, 2)
			default:
				h = nn.Conv2D(bb.In("op"), h, h.Dim(3), nn.Conv{Kernel: 3, Conv2D: graph.Conv2D{Stride: 2, Top: 1, Bottom: 1, Left: 1, Right: 1}})
			}
			skips = append(skips, h)
			ds *= 2
		}
	}
	return h, skips
}

func (n *network) middle(b nn.Builder, h graph.Value) graph.Value {
	c := h.Dim(3)
	h = n.resBlock(b.In("0"), h, c, same)
	h = n.attention(b.In("1"), h, n.NumHeads, n.Factor())
	return n.resBlock(b.In("2"), h, c, same)
}

// up runs the output blocks, each on [h, skip], and begins the shallow part's with the deep
// features where they are given.
func (n *network) up(b nn.Builder, h graph.Value, skips []graph.Value) graph.Value {
	block := numbered(b.In("output_blocks"))
	left := len(n.ChannelMult) * (n.NumResBlocks + 1) // output blocks
	heads := n.NumHeadsUpsample
	if heads < 1 {
		heads = n.NumHeads
	}
	for level := len(n.ChannelMult) - 1; level >= 0; level-- {
		for i := range n.NumResBlocks + 1 {
			bb, next := block(), 1
			if left--; n.deep.given && left >= n.deep.branch {
				continue
			}
			if left == n.deep.branch-1 {
				if n.deep.given {
					h = n.deep.kept
				}
				n.deep.kept = h
			}
			skip := skips[len(skips)-1]
			skips = skips[:len(skips)-1]
			h = n.resBlock(bb.In("0"), b.G.Concat(3, h, skip), n.ModelChannels*n.ChannelMult[level], same)
			if n.attends(1 << level) {
				h = n.attention(bb.In("1"), h, heads, 1<<level)
				next++
			}
			if level > 0 && i == n.NumResBlocks {
				ub := bb.In(strconv.Itoa(next))
				switch {
				case n.ResblockUpdown:
					h = n.resBlock(ub, h, h.Dim(3), twice)
				case !n.convolves():
					h = b.G.Upsample(h, 2)
				default:
					h = nn.Conv2D(ub.In("conv"), b.G.Upsample(h, 2), h.Dim(3), nn.Conv3)
				}
			}
		}
	}
	return h
}

// numbered yields prefix.0, prefix.1, …
func numbered(b nn.Builder) func() nn.Builder {
	i := -1
	return func() nn.Builder {
		i++
		return b.In(strconv.Itoa(i))
	}
}

// resample is what a residual block does to the size.
type resample int

const (
	same resample = iota
	half
	twice
)

func (r resample) apply(g *graph.Graph, x graph.Value) graph.Value {
	switch r {
	case half:
		return g.AvgPool(x, 2)
	case twice:
		return g.Upsample(x, 2)
	}
	return x
}

// resBlock is skip(x) + conv(SiLU(norm(conv(SiLU(norm(x))) + e))), where e is a
// linear map of the time embedding, or scales and shifts the second norm. The skip
// comes first, so that x, often a concatenation, may be overwritten.
func (n *network) resBlock(b nn.Builder, x graph.Value, out int, r resample) graph.Value {
	g := b.G
	skip := r.apply(g, x)
	if skip.Dim(3) != out {
		skip = nn.Conv2D(b.In("skip_connection"), skip, out, nn.Conv1)
	}
	h := r.apply(g, nn.GroupNorm(b.In("in_layers").In("0"), x, eps, true))
	h = nn.Conv2D(b.In("in_layers").In("2"), h, out, nn.Conv3)
	width := out
	if n.UseScaleShiftNorm {
		width *= 2
	}
	e := nn.Linear(b.In("emb_layers").In("1"), n.emb, width)
	e = g.Reshape(e, e.Dim(0), 1, 1, width)
	norm := b.In("out_layers").In("0")
	if n.UseScaleShiftNorm {
		parts := g.Split(e, 3, 2)
		h = nn.GroupNorm(norm, h, eps, false)
		h = g.Unary(graph.SiLU, g.Add(g.Mul(h, g.Affine(parts[0], 1, 1)), parts[1]))
	} else {
		h = nn.GroupNorm(norm, g.Add(h, e), eps, true)
	}
	h = nn.Conv2D(b.In("out_layers").In("3"), h, out, nn.Conv3.Zeroed())
	return g.Add(skip, h)
}
