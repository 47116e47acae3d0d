package unet_test

import (
	"slices"
	"testing"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/nettest"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// sides is a picture of two colours: pixels of a side are alike.
func sides(n, side, channels int) *tensor.Tensor {
	x := tensor.New(n, side, side, channels)
	for i := range x.F32 {
		left := i/channels%side < side/2
		x.F32[i] = map[bool]float32{true: 1, false: -.5}[left] * float32(1+i%channels)
	}
	return x
}

// TestMerge: tokens that are equal are merged without a change of the result, others with
// one; a picture's result does not depend on those beside it.
func TestMerge(t *testing.T) {
	for name, c := range map[string]unet.Config{"attention": attentionUNet(), "transformers": transformerUNet()} {
		run := func(x *tensor.Tensor, share float64) *tensor.Tensor {
			g := graph.New()
			b := nn.NewBuilder(g)
			n := x.Shape[0]
			in := unet.Inputs{X: g.Input("x", x.Shape...), T: g.Input("t", n), Merge: share}
			inputs := map[string]*tensor.Tensor{"x": x, "t": tensor.New(n)}
			if c.UseSpatialTransformer {
				in.Context, inputs["context"] = g.Input("context", n, 3, c.ContextDim), nettest.Random(3, n, 3, c.ContextDim)
				copy(inputs["context"].F32[(n-1)*3*c.ContextDim:], nettest.Random(4, 3, c.ContextDim).F32)
			}
			y := c.Build(b, in)
			return nettest.Compute(t, g, nettest.Weights(b), inputs, y)[0]
		}
		two := nettest.Random(1, 2, 8, 8, 2)
		whole, merged := run(two, 0), run(two, .5)
		if e := golden.RelErr(merged.F32, whole.F32); !(e > 1e-4 && e < 1) {
			t.Errorf("%s: half of the tokens merged: error %g", name, e)
		}
		alone := run(tensor.Of(two.Row(1).F32, 1, 8, 8, 2), .5)
		if !slices.Equal(alone.F32, merged.Row(1).F32) {
			t.Errorf("%s: a picture depends on its neighbour", name)
		}
	}
}

// TestMergeLevel: tokens are merged at the finest level with attention, in each of its
// blocks, and into another corner of the cells from one to the next.
func TestMergeLevel(t *testing.T) {
	for _, c := range []struct {
		attention []int
		h, w      int
		blocks    int
	}{{[]int{1, 2}, 8, 8, 3}, {[]int{2}, 4, 4, 4}, {nil, 4, 4, 1}} {
		u := attentionUNet()
		u.AttentionResolutions = c.attention
		g := graph.New()
		u.Build(nn.NewBuilder(g), unet.Inputs{X: g.Input("x", 1, 8, 8, 2), T: g.Input("t", 1), Merge: .5})
		if err := g.Err(); err != nil {
			t.Fatal(err)
		}
		var got []graph.MatchTokens
		for _, n := range g.Nodes() {
			if op, ok := n.Op.(graph.MatchTokens); ok {
				got = append(got, op)
			}
		}
		var want []graph.MatchTokens
		for i := range c.blocks {
			want = append(want, graph.MatchTokens{H: c.h, W: c.w, Merged: c.h * c.w / 2, Top: i / 2 % 2, Left: i % 2})
		}
		if !slices.Equal(got, want) {
			t.Errorf("attention %v: %v, want %v", c.attention, got, want)
		}
	}
	if c := attentionUNet(); !c.MergesTokens(6, 4) || c.MergesTokens(3, 4) {
		t.Error("tokens of odd sides are merged, or those of even sides are not")
	}
}

// TestMergeAlike: in a picture of two colours tokens of one side are equal but for the
// rim, and merging them changes next to nothing.
func TestMergeAlike(t *testing.T) {
	g := graph.New()
	x := sides(1, 16, 3)
	place := g.MatchTokens(g.Reshape(g.Input("x", 1, 16, 16, 3), 1, 256, 3), graph.MatchTokens{H: 16, W: 16, Merged: 192})
	tokens := g.Reshape(g.Input("x", 1, 16, 16, 3), 1, 256, 3)
	y := g.UnmergeTokens(g.MergeTokens(tokens, place, 64), place)
	got := nettest.Compute(t, g, nil, map[string]*tensor.Tensor{"x": x}, y)[0]
	nettest.Near(t, "merged and taken apart", got.F32, x.F32)
}

// TestDeep: on the deep features that the whole network gave the shallow part says the
// same, bit by bit, for every branch; on others it does not.
func TestDeep(t *testing.T) {
	if testing.Short() {
		t.Skip("computes a network many times")
	}
	for name, c := range map[string]unet.Config{"attention": attentionUNet(), "transformers": transformerUNet()} {
		c.NumResBlocks = 2
		for branch := 1; branch <= c.Branches(); branch++ {
			inputs := map[string]*tensor.Tensor{"x": nettest.Random(1, 1, 8, 8, 2), "t": tensor.New(1)}
			if c.UseSpatialTransformer {
				inputs["context"] = nettest.Random(3, 1, 3, 8)
			}
			in := func(g *graph.Graph) unet.Inputs {
				in := unet.Inputs{X: g.Input("x", 1, 8, 8, 2), T: g.Input("t", 1)}
				if c.UseSpatialTransformer {
					in.Context = g.Input("context", 1, 3, 8)
				}
				return in
			}
			g := graph.New()
			b := nn.NewBuilder(g)
			y, features := c.BuildDeep(b, in(g), branch)
			vars := nettest.Weights(b)
			out := nettest.Compute(t, g, vars, inputs, y, features)
			shape := append(graph.Shape{1}, c.DeepShape(8, 8, branch)...)
			if !out[1].Shape.Equal(shape) {
				t.Fatalf("%s, branch %d: features %v, want %v", name, branch, out[1].Shape, shape)
			}
			g = graph.New()
			b = nn.NewBuilder(g)
			y = c.BuildShallow(b, in(g), branch, g.Input("deep", shape...))
			inputs["deep"] = out[1].Clone()
			again := nettest.Compute(t, g, vars, inputs, y)[0]
			if !slices.Equal(again.F32, out[0].F32) {
				t.Errorf("%s, branch %d: the shallow part differs", name, branch)
			}
			inputs["deep"] = tensor.New(shape...)
			if other := nettest.Compute(t, g, vars, inputs, y)[0]; golden.RelErr(other.F32, out[0].F32) < 1e-3 {
				t.Errorf("%s, branch %d: the features do not matter", name, branch)
			}
		}
	}
}
