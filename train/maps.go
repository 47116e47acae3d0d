package train

import (
	"context"
	"image"
	"image/color"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/data"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/picture"
)

// labelMaps are segmentation maps (section 4.3.2): one channel for each label, shrunk
// by the conditioner in the graph.
type labelMaps struct {
	net  *model.Network
	size int // of the pictures
}

func (c *labelMaps) shape() (w, h, channels int) {
	w, h = c.net.ConditionSize(c.size, c.size)
	return w, h, c.net.Rescaler.InChannels
}

func (c *labelMaps) build(b nn.Builder, n int) []graph.Value {
	w, h, channels := c.shape()
	return []graph.Value{c.net.ConditionPicture(b, b.G.Input("picture", n, h, w, channels))}
}

// labels are those of a pick at the size that the conditioner takes.
func (c *labelMaps) labels(pick data.Pick, from *latents) (*picture.Labels, error) {
	w, h, channels := c.shape()
	l, err := from.feed.Set.Labels(pick, "label")
	if err != nil {
		return nil, err
	}
	if l.Width != w || l.Height != h {
		l = l.Resize(w, h, picture.Window{X1: float64(l.Width), Y1: float64(l.Height)})
	}
	for _, v := range l.Index {
		if int(v) >= channels {
			return nil, fault.Inputf("%s: label %d, but the conditioner's in_channels is %d: want labels below that", from.feed.Set.Items[pick.Index].File, v, channels)
		}
	}
	return l, nil
}

func (c *labelMaps) fill(_ context.Context, p engine.Program, i int, e example) error {
	l, err := c.labels(e.pick, e.from)
	if err != nil {
		return err
	}
	dst := p.Input("picture").Row(i).F32
	clear(dst)
	_, _, channels := c.shape()
	for k, v := range l.Index {
		dst[k*channels+int(v)] = 1
	}
	return nil
}

func (c *labelMaps) show(pick data.Pick, from *latents) (ldm.Condition, error) {
	l, err := c.labels(pick, from)
	if err != nil {
		return nil, err
	}
	img := image.NewGray(image.Rect(0, 0, l.Width, l.Height))
	for i, v := range l.Index {
		img.SetGray(i%l.Width, i/l.Width, color.Gray{Y: byte(v)})
	}
	return ldm.Picture{Image: img}, nil
}
