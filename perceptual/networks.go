package perceptual

import (
	"strconv"

	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
)

// part is the builder of layer number layer of torchvision's network, which
// LPIPS files under the slice it belongs to.
func part(b nn.Builder, slice, layer int) nn.Builder {
	return b.In("slice" + strconv.Itoa(slice)).In(strconv.Itoa(layer))
}

func convolve(b nn.Builder, x graph.Value, width, kernel, stride, pad int) graph.Value {
	c := nn.Conv{Kernel: kernel, Conv2D: graph.Conv2D{Stride: stride, Top: pad, Bottom: pad, Left: pad, Right: pad}}
	return b.G.Unary(graph.ReLU, nn.Conv2D(b, x, width, c))
}

// squeezeNet is SqueezeNet 1.1 (Iandola et al., arXiv 1602.07360), cut behind
// layers 1, 4, 7, 9, 10, 11 and 12 of its features.
func squeezeNet(b nn.Builder, x graph.Value) []graph.Value {
	x = convolve(part(b, 1, 0), x, 64, 3, 2, 0)
	out := []graph.Value{x}
	modules := []struct {
		slice, layer, width int
		pool, end           bool
	}{
		{2, 3, 16, true, false}, {2, 4, 16, false, true},
		{3, 6, 32, true, false}, {3, 7, 32, false, true},
		{4, 9, 48, true, true}, {5, 10, 48, false, true}, {6, 11, 64, false, true}, {7, 12, 64, false, true},
	}
	for _, m := range modules {
		if m.pool {
			x = maxPoolCeil(b.G, x)
		}
		x = fire(part(b, m.slice, m.layer), x, m.width)
		if m.end {
			out = append(out, x)
		}
	}
	return out
}

// maxPoolCeil takes the maximum over windows of 3 x 3, 2 apart; unlike in
// graph.MaxPool a window may begin inside the picture and end outside. Activations
// behind a ReLU are not negative, so that zeros stand for what is outside.
func maxPoolCeil(g *graph.Graph, x graph.Value) graph.Value {
	for axis := 1; axis <= 2; axis++ {
		if rest := (x.Dim(axis) - 3) % 2; rest != 0 {
			x = g.Pad(x, axis, 0, 1)
		}
	}
	return g.MaxPool(x, 3, 2)
}

// fire squeezes to width channels and expands to 4·width by 1x1 and as many by 3x3.
func fire(b nn.Builder, x graph.Value, width int) graph.Value {
	x = convolve(b.In("squeeze"), x, width, 1, 1, 0)
	one := nn.Conv2D(b.In("expand1x1"), x, 4*width, nn.Conv1)
	three := nn.Conv2D(b.In("expand3x3"), x, 4*width, nn.Conv3)
	return b.G.Unary(graph.ReLU, b.G.Concat(3, one, three))
}

// vgg16 is the 16-layer network of Simonyan and Zisserman (arXiv 1409.1556), cut
// behind the last convolution of each size.
func vgg16(b nn.Builder, x graph.Value) []graph.Value {
	var out []graph.Value
	layer := 0
	for i, width := range []int{64, 128, 256, 512, 512} {
		if i > 0 {
			x = b.G.MaxPool(x, 2, 2)
			layer++
		}
		for range []int{2, 2, 3, 3, 3}[i] {
			x = convolve(part(b, i+1, layer), x, width, 3, 1, 1)
			layer += 2
		}
		out = append(out, x)
	}
	return out
}

// alexNet is torchvision's AlexNet (Krizhevsky, arXiv 1404.5997), cut behind each
// convolution.
func alexNet(b nn.Builder, x graph.Value) []graph.Value {
	var out []graph.Value
	next := func(slice, layer, width, kernel, stride, pad int) {
		x = convolve(part(b, slice, layer), x, width, kernel, stride, pad)
		out = append(out, x)
	}
	next(1, 0, 64, 11, 4, 2)
	x = b.G.MaxPool(x, 3, 2)
	next(2, 3, 192, 5, 1, 2)
	x = b.G.MaxPool(x, 3, 2)
	next(3, 6, 384, 3, 1, 1)
	next(4, 8, 256, 3, 1, 1)
	next(5, 10, 256, 3, 1, 1)
	return out
}
