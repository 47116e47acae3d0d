package control

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/checkpoint/diffusers"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/internal/golden/device"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/unet"
)

// small is the U-Net of the case "control".
func small() unet.Config {
	c := unet.Default()
	c.InChannels, c.OutChannels, c.ModelChannels, c.NumResBlocks = 4, 4, 32, 1
	c.ChannelMult, c.AttentionResolutions, c.NumHeads = []int{1, 2}, []int{1}, 8
	c.UseSpatialTransformer, c.ContextDim, c.TransformerDepth, c.Legacy = true, 16, 1, new(bool)
	return c
}

// theirs are the weights of a part of the case, under the names of diffusers.
func theirs(t *testing.T, c *golden.Case, part string) map[string]*tensor.Tensor {
	out := map[string]*tensor.Tensor{}
	for name, w := range c.Weights(t) {
		if rest, ok := strings.CutPrefix(name, part); ok {
			out[rest] = w
		}
	}
	return out
}

// folder writes a ControlNet as diffusers does.
func folder(t *testing.T, weights map[string]*tensor.Tensor) string {
	t.Helper()
	dir := t.TempDir()
	text := `{"_class_name": "ControlNetModel", "conditioning_embedding_out_channels": [16, 24], "global_pool_conditions": false}`
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := checkpoint.Save(filepath.Join(dir, "diffusion_pytorch_model.safetensors"), weights, nil, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	return dir
}

// read opens a ControlNet and reads its weights for the small U-Net.
func read(t *testing.T, path string) (unet.Control, engine.Vars) {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	net := f.Net(small(), 4)
	vars, err := f.Weights(net)
	if err != nil {
		t.Fatal(err)
	}
	return net, vars
}

// TestGolden holds a ControlNet of diffusers, and the U-Net that it steers, against
// its numbers; under its authors' names, alone and beside a whole model, it is the same.
func TestGolden(t *testing.T) {
	for _, c := range golden.Cases(t, "networks/control") {
		path := folder(t, theirs(t, c, "control."))
		net, vars := read(t, path)
		check(t, c, net, vars)
		own := map[string]*tensor.Tensor{}
		for name, w := range vars {
			own["control_model."+name] = w
		}
		alone := filepath.Join(t.TempDir(), "control.safetensors")
		maps.Copy(own, map[string]*tensor.Tensor{"model.diffusion_model.out.2.bias": tensor.New(4)})
		if err := checkpoint.Save(alone, own, nil, checkpoint.F32); err != nil {
			t.Fatal(err)
		}
		_, again := read(t, alone)
		for name, w := range vars {
			if golden.RelErr(again[name].F32, w.F32) != 0 {
				t.Errorf("%s is another one under the authors' names", name)
			}
		}
	}
}

func check(t *testing.T, c *golden.Case, net unet.Control, vars engine.Vars) {
	var m struct{ Arguments struct{ Strength float64 } }
	c.Manifest(t, &m)
	g := graph.New()
	b := nn.NewBuilder(g)
	inputs := map[string]*tensor.Tensor{"x": c.Input(t, "x").ToNHWC(), "context": c.Input(t, "context"), "hint": c.Input(t, "hint").ToNHWC(), "t": tensor.New(2)}
	for i, v := range c.Input(t, "t").I32 {
		inputs["t"].F32[i] = float32(v)
	}
	for i, v := range inputs["hint"].F32 {
		inputs["hint"].F32[i] = (v + 1) / 2
	}
	in := unet.Inputs{X: g.Input("x", inputs["x"].Shape...), T: g.Input("t", 2), Context: g.Input("context", inputs["context"].Shape...)}
	of := b.In("control")
	outputs := net.Build(of, in, net.BuildHint(of, g.Input("hint", inputs["hint"].Shape...)))
	for i, r := range outputs {
		outputs[i] = g.Affine(r, float32(m.Arguments.Strength), 0)
	}
	in.Residuals = append([]graph.Value(nil), outputs...)
	outputs = append(outputs, small().Build(b.In("unet"), in))
	weights := engine.Vars{}
	for name, w := range vars {
		weights["control."+name] = w
	}
	plain := theirs(t, c, "unet.")
	for _, p := range b.Params() {
		if rest, ok := strings.CutPrefix(p.Name, "unet."); ok {
			weights[p.Name] = plain[unetName(rest)[0]]
		}
	}
	for _, mode := range golden.Modes {
		prog, err := engine.CompileWith(device.Engine(t), g, outputs, weights, mode.Options)
		if err != nil {
			t.Fatal(err)
		}
		for name, x := range inputs {
			copy(prog.Input(name).F32, x.F32)
		}
		if err := prog.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range outputs {
			name := "y"
			if i < len(outputs)-1 {
				name = "residual" + string(rune('0'+i))
			}
			golden.Near(t, name+" in "+mode.Name, prog.Output(i).F32, c.Output(t, name).ToNHWC().F32, mode.Tolerance)
		}
		prog.Close()
	}
}

// TestErrors: what is no ControlNet, or one for another model, is an error that says so.
func TestErrors(t *testing.T) {
	write := func(tensors map[string]*tensor.Tensor) string {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := checkpoint.Save(path, tensors, nil, checkpoint.F32); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const first = "control_model.input_hint_block.0.weight"
	for want, path := range map[string]string{
		"no ControlNet":       write(map[string]*tensor.Tensor{"x": tensor.New(1)}),
		"want [channels, 3":   write(map[string]*tensor.Tensor{first: tensor.New(16, 4, 3, 3)}),
		"convolutions":        write(map[string]*tensor.Tensor{first: tensor.New(16, 3, 3, 3)}),
		"no such file":        filepath.Join(t.TempDir(), "none"),
		"config.json":         t.TempDir(),
		"tensors are missing": "",
	} {
		if path == "" {
			path = write(map[string]*tensor.Tensor{first: tensor.New(16, 3, 3, 3), "control_model.input_hint_block.2.weight": tensor.New(32, 16, 3, 3)})
		}
		f, err := Open(path)
		if err == nil {
			_, err = f.Weights(f.Net(small(), 4))
			f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	dir := folder(t, map[string]*tensor.Tensor{"x": tensor.New(1)})
	for field, value := range map[string]any{"_class_name": "UNet2DConditionModel", "global_pool_conditions": true, "controlnet_conditioning_channel_order": "bgr"} {
		all := map[string]any{"_class_name": "ControlNetModel"}
		all[field] = value
		raw, _ := json.Marshal(all)
		if err := os.WriteFile(filepath.Join(dir, "config.json"), raw, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: error %v", field, err)
		}
	}
}

// FuzzOpen: whatever tensors a file names, in whatever shapes, it is read or refused
// without a panic.
func FuzzOpen(f *testing.F) {
	f.Add("control_model.input_hint_block.0.weight", 16, 3, 3, 3, "control_model.input_hint_block.2.weight", 32, 16)
	f.Add("controlnet_cond_embedding.conv_in.weight", 16, 3, 3, 3, "controlnet_cond_embedding.conv_out.weight", 32, 16)
	f.Fuzz(func(t *testing.T, a string, s0, s1, s2, s3 int, b string, r0, r1 int) {
		dim := func(v int) int { return min(max(v, 0), 64) }
		path := filepath.Join(t.TempDir(), "x.safetensors")
		tensors := map[string]*tensor.Tensor{a: tensor.New(dim(s0), dim(s1), dim(s2), dim(s3)), b: tensor.New(dim(r0), dim(r1), 3, 3)}
		if checkpoint.Save(path, tensors, nil, checkpoint.F32) != nil {
			return
		}
		file, err := Open(path)
		if err != nil {
			return
		}
		defer file.Close()
		if _, err := file.Weights(file.Net(small(), 4)); err == nil {
			t.Error("a ControlNet of two tensors")
		}
	})
}

// unetName is what diffusers calls a parameter of the small U-Net.
var unetName = diffusers.UNetNames(1, []bool{true, false})
