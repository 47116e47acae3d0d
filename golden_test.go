package ldm

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
)

// TestGolden holds DDIM with guidance, over whole small models, against the
// reference's trajectories.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "samplers") {
		t.Run(c.Base(), func(t *testing.T) {
			if c.Sampler != "ddim" {
				t.Skipf("sampler %q is not supported yet", c.Sampler)
			}
			for name := range c.Inputs {
				if !strings.Contains(" x_T tokens uncond_tokens class_label uncond_label ", " "+name+" ") {
					t.Skipf("input %s is not supported yet", name)
				}
			}
			target := c.Target(t)
			// The first stage has tests of its own; a VQ one is not supported yet.
			target.Params["first_stage_config"] = map[string]any{"target": TargetAutoencoderKL, "params": map[string]any{
				"embed_dim": 1, "ddconfig": map[string]any{"z_channels": 1, "in_channels": 3, "out_ch": 3, "ch": 32, "ch_mult": []int{1}, "num_res_blocks": 1},
			}}
			net, err := NewNetwork(target)
			if err != nil {
				t.Skipf("not supported yet: %v", err)
			}
			checkDDIM(t, c, net)
		})
	}
}

// condition computes the context of an input of tokens or labels.
func condition(t *testing.T, c *golden.Case, net *Network, input string, vars engine.Vars) *tensor.Tensor {
	ids := c.Input(t, input)
	g := graph.New()
	b := nn.NewBuilder(g).In(prefixConditioner)
	var y graph.Value
	if net.Text != nil {
		y = net.Text.Build(b, g.IntInput("ids", ids.Shape...))
	} else {
		y = net.Class.Build(b, g.IntInput("ids", ids.Shape...))
	}
	prog, err := cpu.New().Compile(g, []graph.Value{y}, vars, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	copy(prog.Input("ids").I32, ids.I32)
	if err := prog.Run(); err != nil {
		t.Fatal(err)
	}
	return prog.Output(0).Clone()
}

func checkDDIM(t *testing.T, c *golden.Case, net *Network) {
	vars := engine.Vars(c.Weights(t))
	x := c.Input(t, "x_T").ToNHWC()
	cond, uncond := "tokens", "uncond_tokens"
	if net.Class != nil {
		cond, uncond = "class_label", "uncond_label"
	}
	m := NewModel(net, config.Target{}, nil, vars, Options{Engine: cpu.New()})
	m.denoiser = newPrograms(cpu.New(), vars, engine.Options{}, func(g *graph.Graph, s size) []graph.Value {
		context := g.Input("context", s.n, c.Input(t, cond).Shape.Size()/x.Shape[0], net.UNet.ContextDim)
		return []graph.Value{net.Denoise(nn.NewBuilder(g), g.Input("x", s.n, s.h, s.w, net.UNet.InChannels), g.IntInput("t", s.n), context)}
	})
	scale := golden.Number(c.Scale)
	denoise, err := m.guided(condition(t, c, net, cond, vars), scale, func() (*tensor.Tensor, error) {
		return condition(t, c, net, uncond, vars), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	grid, err := sampler.CompVis(int(golden.Number(c.Steps)), len(net.Schedule.Betas))
	if err != nil {
		t.Fatal(err)
	}
	wantX, wantX0 := c.Output(t, "x_steps"), c.Output(t, "pred_x0_steps")
	err = sampler.DDIM(context.Background(), net.Schedule, denoise, x, sampler.Options{
		Grid: grid, Eta: golden.Number(c.Eta), Temperature: c.Temperature,
		Noise: func(step int, dst *tensor.Tensor) {
			copy(dst.F32, c.Output(t, fmt.Sprintf("noise/%03d", step)).ToNHWC().F32)
		},
		Progress: func(done, _ int, x, x0 *tensor.Tensor) {
			if e := golden.RelErr(x.F32, wantX.Row(done-1).ToNHWC().F32); !(e < golden.Steps) {
				t.Errorf("x after step %d: error %g", done, e)
			}
			if e := golden.RelErr(x0.F32, wantX0.Row(done-1).ToNHWC().F32); !(e < golden.Steps) {
				t.Errorf("predicted x0 of step %d: error %g", done, e)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}
