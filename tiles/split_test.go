package tiles

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// split reads the case's split_input_params.
func split(t *testing.T, c *golden.Case) Split {
	t.Helper()
	var m struct {
		P struct {
			KS     [2]int  `json:"ks"`
			Stride [2]int  `json:"stride"`
			Tie    bool    `json:"tie_braker"`
			MinW   float64 `json:"clip_min_weight"`
			MaxW   float64 `json:"clip_max_weight"`
			MinT   float64 `json:"clip_min_tie_weight"`
			MaxT   float64 `json:"clip_max_tie_weight"`
		} `json:"split_input_params"`
	}
	c.Decode(t, &m)
	return Split{m.P.KS, m.P.Stride, m.P.Tie, m.P.MinW, m.P.MaxW, m.P.MinT, m.P.MaxT}
}

// network is the model of a case, compiled for patches of one shape.
type network struct {
	t    *testing.T
	net  *model.Network
	vars engine.Vars
	made map[string]engine.Program
}

// run computes what build adds for inputs, which it declares by name.
func (n *network) run(kind string, x *tensor.Tensor, build func(g *graph.Graph, b nn.Builder) graph.Value, fill func(p engine.Program)) *tensor.Tensor {
	n.t.Helper()
	prog := n.made[kind]
	if prog == nil {
		g := graph.New()
		y := build(g, nn.NewBuilder(g))
		var err error
		if prog, err = engine.CompileWith(cpu.New(cpu.Options{}), g, []graph.Value{y}, n.vars, engine.Options{}); err != nil {
			n.t.Fatal(err)
		}
		n.t.Cleanup(prog.Close)
		n.made[kind] = prog
	}
	copy(prog.Input("x").F32, x.F32)
	fill(prog)
	if err := prog.Run(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
	return tensor.Of(slices.Clone(prog.Output(0).F32), prog.Output(0).Shape...)
}

func open(t *testing.T, c *golden.Case) *network {
	t.Helper()
	net, err := model.New(c.Target(t))
	if err != nil {
		t.Fatal(err)
	}
	return &network{t, net, c.Weights(t), map[string]engine.Program{}}
}

// stage is the function of Apply for the first stage.
func (n *network) stage(decode, quantize bool) func(context.Context, Patch) (*tensor.Tensor, error) {
	return func(_ context.Context, p Patch) (*tensor.Tensor, error) {
		x := p.X[0]
		return n.run("stage", x, func(g *graph.Graph, b nn.Builder) graph.Value {
			in, b := g.Input("x", x.Shape...), b.In(model.PrefixFirstStage)
			switch {
			case !decode:
				return n.net.FirstStage.Encode(b, in)
			case quantize:
				return n.net.FirstStage.Decode(b, in)
			}
			return n.net.FirstStage.DecodeContinuous(b, in)
		}, func(engine.Program) {}), nil
	}
}

// denoise is the function of Apply for the denoiser at timesteps t, given what is
// joined to x as the patches' second input, or a context for all patches.
func (n *network) denoise(t *tensor.Tensor, given *tensor.Tensor) func(context.Context, Patch) (*tensor.Tensor, error) {
	return func(_ context.Context, p Patch) (*tensor.Tensor, error) {
		x, cond := p.X[0], given
		if len(p.X) > 1 {
			cond = p.X[1]
		}
		return n.run("denoise", x, func(g *graph.Graph, b nn.Builder) graph.Value {
			in := unet.Inputs{X: g.Input("x", x.Shape...), T: timesteps(g, x.Shape[0])}
			return n.net.Denoise(b, n.net.Place(in, g.Input("condition", cond.Shape...)))
		}, func(prog engine.Program) {
			copy(prog.Input("condition").F32, cond.F32)
			setTimesteps(prog, t.I32)
		}), nil
	}
}

func timesteps(g *graph.Graph, n int) graph.Value { return g.Input("t", n) }

func setTimesteps(p engine.Program, t []int32) {
	for i, v := range t {
		p.Input("t").F32[i] = float32(v)
	}
}

// TestGolden holds encoding, denoising and decoding by patches against the
// reference.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "patches") {
		kind := strings.Split(c.Base(), "-")[1]
		if kind == "weights" || kind == "ddim" {
			continue
		}
		t.Run(c.Base(), func(t *testing.T) {
			n, s := open(t, c), split(t, c)
			var inputs []*tensor.Tensor
			var f func(context.Context, Patch) (*tensor.Tensor, error)
			ratio, output := Same, "eps"
			input := func(name string) { inputs = append(inputs, c.Input(t, name).ToNHWC()) }
			switch kind {
			case "encode":
				input("image")
				f, ratio, output = n.stage(false, false), Ratio{1, 4}, "z"
			case "decode":
				name := "z"
				if _, ok := c.Inputs["z_square"]; ok {
					name = "z_square"
				}
				input(name)
				f, ratio, output = n.stage(true, !strings.Contains(c.Name, "force-not-quantize")), Ratio{4, 1}, "decoded"
			case "apply":
				input("x")
				f = n.denoise(c.Input(t, "t"), nil)
				if _, ok := c.Inputs["lr"]; ok {
					input("lr")
				} else {
					f = n.denoise(c.Input(t, "t"), c.Input(t, "c"))
				}
			}
			got, err := s.Apply(context.Background(), inputs, ratio, f)
			if err != nil {
				t.Fatal(err)
			}
			if e := golden.RelErr(got.F32, c.Output(t, output).ToNHWC().F32); !(e < golden.Forward) {
				t.Errorf("error %g", e)
			}
		})
	}
}

// TestGoldenWeights holds the weights of pixels and of patches, and their sum,
// against the reference.
func TestGoldenWeights(t *testing.T) {
	for _, c := range golden.Cases(t, "patches") {
		if !strings.HasPrefix(c.Base(), "superres-weights") {
			continue
		}
		s, x := split(t, c), c.Input(t, "x_w").ToNHWC()
		for name, ratio := range map[string]Ratio{"uf1": Same, "uf4": {4, 1}, "df4": {1, 4}} {
			want := c.Output(t, "weighting_"+name)
			h, w := want.Shape[2], want.Shape[3]
			pixel := s.weights(h, w)
			for i, v := range want.F32 {
				k, place := i/15, i%15 // of 3 x 5 patches
				if got := pixel[k] * s.tie(place/5, place%5, 3, 5); math.Abs(got-float64(v)) > 1e-6 {
					t.Fatalf("%s %s: weight %d is %g, want %g", c.Base(), name, i, got, v)
				}
			}
			ones := func(_ context.Context, p Patch) (*tensor.Tensor, error) {
				y := tensor.New(1, ratio.of(p.X[0].Shape[1]), ratio.of(p.X[0].Shape[2]), 1)
				for i := range y.F32 {
					y.F32[i] = 1
				}
				return y, nil
			}
			y, err := s.Apply(context.Background(), []*tensor.Tensor{x}, ratio, ones)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range y.F32 {
				if math.Abs(float64(v)-1) > 1e-5 {
					t.Fatalf("%s %s: the mean of ones is %g at %d", c.Base(), name, v, i)
				}
			}
		}
	}
}

// TestRim: whatever the size, every pixel is in a patch, and the identity gives
// the input back.
func TestRim(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {7, 9}, {8, 8}, {9, 31}, {30, 8}} {
		for _, tie := range []bool{false, true} {
			s := NewSplit(8)
			s.TieBreaker = tie
			x := tensor.New(2, size[0], size[1], 3)
			tensor.NewStream(1).Normal(x.F32)
			same := func(_ context.Context, p Patch) (*tensor.Tensor, error) { return p.X[0], nil }
			y, err := s.Apply(context.Background(), []*tensor.Tensor{x}, Same, same)
			if err != nil {
				t.Fatal(err)
			}
			if e := golden.RelErr(y.F32, x.F32); !(e < 1e-6) {
				t.Errorf("%v: error %g", size, e)
			}
		}
	}
}

func TestBadSplit(t *testing.T) {
	x := []*tensor.Tensor{tensor.New(1, 16, 16, 1)}
	for _, s := range []Split{{}, {Kernel: [2]int{8, 8}, Stride: [2]int{9, 8}, MinWeight: 1, MaxWeight: 1}, {Kernel: [2]int{8, 8}, Stride: [2]int{4, 4}}} {
		if _, err := s.Apply(context.Background(), x, Same, nil); err == nil {
			t.Errorf("%+v is accepted", s)
		}
	}
	s := NewSplit(10)
	if _, err := s.Apply(context.Background(), x, Ratio{1, 8}, nil); err == nil {
		t.Error("patches of 10 pixels are encoded by a factor of 8")
	}
}
