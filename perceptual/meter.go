package perceptual

import (
	"context"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// Meter measures distances of pictures of any size.
type Meter struct {
	Net     Net
	engine  engine.Engine
	weights engine.Weights
	opt     engine.Options
	prog    engine.Program
	shape   tensor.Shape
}

// NewMeter loads a network's weights, those that Vars or Net.Load gives.
func NewMeter(eng engine.Engine, opt engine.Options, n Net, vars engine.Vars) (*Meter, error) {
	w, err := eng.Load(vars, engine.LoadOptions{})
	if err != nil {
		return nil, err
	}
	return &Meter{Net: n, engine: eng, weights: w, opt: opt}, nil
}

// Distance is the distance of two pictures [1, H, W, 3] in [-1, 1]. What lies
// outside that range is limited to it. A size that the network does not take is a
// fault.Input.
func (m *Meter) Distance(ctx context.Context, x, y *tensor.Tensor) (float64, error) {
	if !x.Shape.Equal(y.Shape) || len(x.Shape) != 4 || x.Shape[0] != 1 || x.Shape[3] != 3 {
		return 0, fault.Inputf("%s of pictures %v and %v: want two of one shape [1, H, W, 3]", m.Net, x.Shape, y.Shape)
	}
	if min(x.Shape[1], x.Shape[2]) < m.Net.MinSize() {
		return 0, fault.Inputf("%s of a picture of %dx%d: want at least %d a side", m.Net, x.Shape[2], x.Shape[1], m.Net.MinSize())
	}
	if !x.Shape.Equal(m.shape) {
		if err := m.compile(x.Shape); err != nil {
			return 0, err
		}
	}
	for name, t := range map[string]*tensor.Tensor{"x": x, "y": y} {
		in := m.prog.Input(name).F32
		for i, v := range t.F32 {
			in[i] = min(max(v, -1), 1)
		}
	}
	if err := m.prog.Run(ctx); err != nil {
		return 0, err
	}
	return float64(m.prog.Output(0).F32[0]), nil
}

func (m *Meter) compile(shape tensor.Shape) error {
	if m.prog != nil {
		m.prog.Close()
		m.prog, m.shape = nil, nil
	}
	g := graph.New()
	d := m.Net.Distances(nn.NewBuilder(g), g.Input("x", shape...), g.Input("y", shape...))
	prog, err := m.engine.Compile(g, []graph.Value{d}, m.weights, m.opt)
	if err != nil {
		return err
	}
	m.prog, m.shape = prog, shape
	return nil
}

// Close frees the weights and the program.
func (m *Meter) Close() {
	if m.prog != nil {
		m.prog.Close()
	}
	m.weights.Close()
}
