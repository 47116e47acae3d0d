package ldm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/unet"
)

// unnamed is a source of no tensors, from a file with or without its own
// configuration.
type unnamed struct {
	checkpoint.Reader
	meta map[string]string
}

func (r unnamed) Name() string                        { return "unnamed" }
func (r unnamed) Names() []string                     { return nil }
func (r unnamed) Info(string) (checkpoint.Info, bool) { return checkpoint.Info{}, false }
func (r unnamed) Metadata() map[string]string         { return r.meta }

// released is the U-Net of a published model.
func released(in, channels, context, depth int, mult ...int) unet.Config {
	c := unet.Default()
	c.InChannels, c.OutChannels, c.ModelChannels, c.NumResBlocks = in, in, channels, 2
	c.UseSpatialTransformer, c.ContextDim, c.TransformerDepth = true, context, depth
	c.ChannelMult, c.NumHeadChannels = mult, 32
	return c
}

// TestLegacyHeads: three released models were trained when num_head_channels had no
// effect, with one head, though their YAMLs name 32 channels a head.
func TestLegacyHeads(t *testing.T) {
	three := map[string]unet.Config{
		"cin256": released(4, 256, 512, 1, 1, 2, 4), "text2img256": released(3, 192, 640, 1, 1, 2, 3, 5), "layout2img": released(3, 128, 512, 3, 1, 2, 3, 4),
	}
	for name, c := range three {
		if got := model.LegacyModel(c); !strings.HasPrefix(got, name) {
			t.Errorf("%s is taken for %q", name, got)
		}
		checkHeads(t, c, model.HeadsAuto, 1, -1)
		checkHeads(t, c, model.HeadsOne, 1, -1)
		checkHeads(t, c, model.HeadsConfig, -1, 32)
	}
	v2 := released(3, 192, 512, 1, 1, 2, 3, 5)
	v2.NumHeads, v2.NumHeadChannels = 1, -1
	text := released(4, 320, 1280, 1, 1, 2, 4, 4)
	text.NumHeads, text.NumHeadChannels = 8, -1
	rdm := released(16, 448, 768, 1, 1, 2, 3, 4)
	blocks := released(3, 128, 0, 1, 1, 2, 3, 4)
	blocks.UseSpatialTransformer = false
	for _, c := range []unet.Config{v2, text, rdm, blocks} {
		checkHeads(t, c, model.HeadsAuto, c.NumHeads, c.NumHeadChannels)
	}
	var h model.Heads
	if err := h.UnmarshalText([]byte("two")); err == nil || !strings.Contains(err.Error(), "want auto, one or config") {
		t.Errorf("heads two: error %v", err)
	}
	checkAttentionHeads(t)
	checkOwnHeads(t)
}

// checkOwnHeads: a file that says itself what it is means what it says.
func checkOwnHeads(t *testing.T) {
	yaml, err := os.ReadFile(writeConfig(t, filepath.Join(t.TempDir(), "x.yaml"), tinyUNet+"model_channels=256", tinyUNet+"channel_mult=[1, 2, 4]",
		tinyUNet+"context_dim=512", tinyUNet+"num_heads=-1", tinyUNet+"num_head_channels=32"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := modelfile.New(unnamed{meta: map[string]string{"ldm.config": string(yaml)}}, modelfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	net, err := f.Network()
	if err != nil || model.LegacyModel(net.UNet) == "" {
		t.Fatalf("not a legacy model; error %v", err)
	}
}

func checkHeads(t *testing.T, c unet.Config, setting model.Heads, heads, channels int) {
	t.Helper()
	net := &model.Network{UNet: c}
	if _, err := net.SetHeads(setting); err != nil {
		t.Fatal(err)
	}
	if u := net.UNet; u.NumHeads != heads || u.NumHeadChannels != channels {
		t.Errorf("%d channels, context %d, heads %s: num_heads %d, num_head_channels %d, want %d, %d", c.ModelChannels, c.ContextDim, setting,
			u.NumHeads, u.NumHeadChannels, heads, channels)
	}
}

// checkAttentionHeads looks at the attention itself.
func checkAttentionHeads(t *testing.T) {
	for heads, want := range map[model.Heads]int{model.HeadsOne: 1, model.HeadsConfig: 8} {
		net := tinyNetwork(t)
		if _, err := net.SetHeads(heads); err != nil {
			t.Fatal(err)
		}
		g := graph.New()
		net.Denoise(nn.NewBuilder(g), net.DenoiserInputs(g, 1, 4, 4, 1))
		count := 0
		for _, n := range g.Nodes() {
			if op, ok := n.Op.(graph.Attention); ok {
				count++
				if op.Heads != want {
					t.Errorf("heads %s: %s has %d", heads, n.Scope, op.Heads)
				}
			}
		}
		if count == 0 {
			t.Error("there is no attention")
		}
	}
}

// TestSavedHeads: a file written from a model that was loaded with one head says
// so, as files of this program mean what they say.
func TestSavedHeads(t *testing.T) {
	path := save(t, tinyWeights(t, tinyNetwork(t)), checkpoint.F32)
	yaml := writeConfig(t, path+".yaml", tinyUNet+"num_heads=-1", tinyUNet+"num_head_channels=8")
	m, err := Open(path, Options{Engine: cpu.New(cpu.Options{}), File: modelfile.Options{Config: yaml, Heads: model.HeadsOne}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Save(path+".saved", checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	again := open(t, path+".saved", modelfile.Options{})
	if again.net.UNet.NumHeads != 1 || again.net.UNet.NumHeadChannels > 0 {
		t.Errorf("num_heads %d, num_head_channels %d", again.net.UNet.NumHeads, again.net.UNet.NumHeadChannels)
	}
	same(t, "the saved model", predict(t, again), predict(t, m))
}
