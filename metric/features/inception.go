package features

import (
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// inceptionSize is the side of the pictures that the network takes.
const inceptionSize = 299

// inception adds the Inception v3 by which FID is defined, as TensorFlow's graph of
// 2015-12-05 has it and as pytorch-fid and torch-fidelity rebuild it: features
// [N, 2048] and logits [N, 1008] of pictures x [N, 299, 299, 3] in [-1, 1]. Batch
// norms are folded into the convolutions; the names are those of the published
// files.
func inception(b nn.Builder, x graph.Value) (features, logits graph.Value, blocks []graph.Value) {
	v := inceptionNet{b}
	x = v.conv("Conv2d_1a_3x3", x, 32, 3, 3, 2, 0, 0)
	x = v.conv("Conv2d_2a_3x3", x, 32, 3, 3, 1, 0, 0)
	x = v.conv("Conv2d_2b_3x3", x, 64, 3, 3, 1, 1, 1)
	x = b.G.MaxPool(x, 3, 2)
	blocks = append(blocks, x)
	x = v.conv("Conv2d_3b_1x1", x, 80, 1, 1, 1, 0, 0)
	x = v.conv("Conv2d_4a_3x3", x, 192, 3, 3, 1, 0, 0)
	x = b.G.MaxPool(x, 3, 2)
	blocks = append(blocks, x)
	x = v.blockA("Mixed_5b", x, 32)
	x = v.blockA("Mixed_5c", x, 64)
	x = v.blockA("Mixed_5d", x, 64)
	x = v.blockB("Mixed_6a", x)
	for i, width := range []int{128, 160, 160, 192} {
		x = v.blockC("Mixed_6"+string(rune('b'+i)), x, width)
	}
	blocks = append(blocks, x)
	x = v.blockD("Mixed_7a", x)
	x = v.blockE("Mixed_7b", x, meanAround)
	x = v.blockE("Mixed_7c", x, maxAround)
	features = b.G.Reshape(b.G.Reduce(graph.ReduceMean, x, 1, 2), x.Dim(0), x.Dim(3))
	return features, nn.Linear(b.In("fc"), features, 1008), blocks
}

type inceptionNet struct{ b nn.Builder }

// at is the part of the network with that name.
func (v inceptionNet) at(name string) inceptionNet { return inceptionNet{v.b.In(name)} }

// conv is relu(norm(conv(x))) with a kernel of h x w.
func (v inceptionNet) conv(name string, x graph.Value, width, h, w, stride, padH, padW int) graph.Value {
	b, in := v.b.In(name).In("conv"), x.Dim(3)
	init := nn.Uniform(in * h * w)
	op := graph.Conv2D{Stride: stride, Top: padH, Bottom: padH, Left: padW, Right: padW}
	x = b.G.Conv2D(x, b.Param("weight", init, width, in, h, w), b.Param("bias", init, width), op)
	return b.G.Unary(graph.ReLU, x)
}

// one is a 1x1 convolution; three and five keep the size; row and column are 1x7
// and 7x1, or 1x3 and 3x1.
func (v inceptionNet) one(name string, x graph.Value, width int) graph.Value {
	return v.conv(name, x, width, 1, 1, 1, 0, 0)
}

func (v inceptionNet) three(name string, x graph.Value, width int) graph.Value {
	return v.conv(name, x, width, 3, 3, 1, 1, 1)
}

func (v inceptionNet) row(name string, x graph.Value, width, n int) graph.Value {
	return v.conv(name, x, width, 1, n, 1, 0, n/2)
}

func (v inceptionNet) column(name string, x graph.Value, width, n int) graph.Value {
	return v.conv(name, x, width, n, 1, 1, n/2, 0)
}

func (v inceptionNet) blockA(name string, x graph.Value, pooled int) graph.Value {
	v = v.at(name)
	five := v.conv("branch5x5_2", v.one("branch5x5_1", x, 48), 64, 5, 5, 1, 2, 2)
	double := v.three("branch3x3dbl_3", v.three("branch3x3dbl_2", v.one("branch3x3dbl_1", x, 64), 96), 96)
	return v.b.G.Concat(3, v.one("branch1x1", x, 64), five, double, v.one("branch_pool", meanAround(v.b.G, x), pooled))
}

func (v inceptionNet) blockB(name string, x graph.Value) graph.Value {
	v = v.at(name)
	double := v.three("branch3x3dbl_2", v.one("branch3x3dbl_1", x, 64), 96)
	double = v.conv("branch3x3dbl_3", double, 96, 3, 3, 2, 0, 0)
	return v.b.G.Concat(3, v.conv("branch3x3", x, 384, 3, 3, 2, 0, 0), double, v.b.G.MaxPool(x, 3, 2))
}

func (v inceptionNet) blockC(name string, x graph.Value, width int) graph.Value {
	v = v.at(name)
	seven := v.column("branch7x7_3", v.row("branch7x7_2", v.one("branch7x7_1", x, width), width, 7), 192, 7)
	double := v.row("branch7x7dbl_3", v.column("branch7x7dbl_2", v.one("branch7x7dbl_1", x, width), width, 7), width, 7)
	double = v.row("branch7x7dbl_5", v.column("branch7x7dbl_4", double, width, 7), 192, 7)
	return v.b.G.Concat(3, v.one("branch1x1", x, 192), seven, double, v.one("branch_pool", meanAround(v.b.G, x), 192))
}

func (v inceptionNet) blockD(name string, x graph.Value) graph.Value {
	v = v.at(name)
	three := v.conv("branch3x3_2", v.one("branch3x3_1", x, 192), 320, 3, 3, 2, 0, 0)
	seven := v.column("branch7x7x3_3", v.row("branch7x7x3_2", v.one("branch7x7x3_1", x, 192), 192, 7), 192, 7)
	seven = v.conv("branch7x7x3_4", seven, 192, 3, 3, 2, 0, 0)
	return v.b.G.Concat(3, three, seven, v.b.G.MaxPool(x, 3, 2))
}

func (v inceptionNet) blockE(name string, x graph.Value, pool func(*graph.Graph, graph.Value) graph.Value) graph.Value {
	v = v.at(name)
	three := v.one("branch3x3_1", x, 384)
	double := v.three("branch3x3dbl_2", v.one("branch3x3dbl_1", x, 448), 384)
	return v.b.G.Concat(3, v.one("branch1x1", x, 320),
		v.row("branch3x3_2a", three, 384, 3), v.column("branch3x3_2b", three, 384, 3),
		v.row("branch3x3dbl_3a", double, 384, 3), v.column("branch3x3dbl_3b", double, 384, 3),
		v.one("branch_pool", pool(v.b.G, x), 192))
}

// meanAround is the mean of the 3 x 3 pixels around each, of those inside the
// picture.
func meanAround(g *graph.Graph, x graph.Value) graph.Value {
	ones := g.Fill(1, 1, x.Dim(1), x.Dim(2), 1)
	return g.Div(sumAround(g, x), sumAround(g, ones))
}

func sumAround(g *graph.Graph, x graph.Value) graph.Value {
	for axis := 1; axis <= 2; axis++ {
		n := x.Dim(axis)
		wide := g.Pad(x, axis, 1, 1)
		x = g.Add(g.Add(g.Slice(wide, axis, 0, n), x), g.Slice(wide, axis, 2, n))
	}
	return x
}

// maxAround is the maximum of the 3 x 3 pixels around each; none is below 0.
func maxAround(g *graph.Graph, x graph.Value) graph.Value {
	return g.MaxPool(g.Pad(g.Pad(x, 1, 1, 1), 2, 1, 1), 3, 1)
}
