package tiles

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/ldm-go/ldm/autoencoder"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/graph"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/tensor"
)

// stages are small first stages of all kinds.
var stages = map[string]autoencoder.Config{
	"KL": {Kind: autoencoder.KL, EmbedDim: 4, DD: autoencoder.DDConfig{
		DoubleZ: true, ZChannels: 4, Resolution: 64, InChannels: 3, OutCh: 3, Ch: 32, ChMult: []int{1, 2, 2}, NumResBlocks: 1,
	}},
	"VQ with attention in a level": {Kind: autoencoder.VQ, NEmbed: 8, EmbedDim: 3, DD: autoencoder.DDConfig{
		ZChannels: 3, Resolution: 64, InChannels: 3, OutCh: 3, Ch: 32, ChMult: []int{1, 1, 2}, NumResBlocks: 1, AttnResolutions: []int{16}, TanhOut: true,
	}},
	"tiny": {Kind: autoencoder.Tiny, Tiny: autoencoder.TinyConfig{
		InChannels: 3, OutChannels: 3, LatentChannels: 4, Width: 16, EncoderBlocks: []int{1, 2, 1}, DecoderBlocks: []int{1, 2, 1},
	}},
}

// chains are the encoder and the decoder of a stage, with weights.
func chains(t *testing.T, cfg autoencoder.Config) map[string]Chain {
	t.Helper()
	g := graph.New()
	b := nn.NewBuilder(g).In("stage")
	f := cfg.Factor()
	cfg.Encode(b, g.Input("x", 1, f, f, 3))
	cfg.Decode(b, g.Input("z", 1, 1, 1, cfg.LatentChannels()))
	eng := cpu.New(cpu.Options{})
	w, err := eng.Load(nn.Initialize(b.Params(), 7), engine.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	c := Chain{Engine: eng, Weights: w, Prefix: "stage", MaxBytes: 1 << 40, Options: engine.Options{Exact: true}}
	encode, decode := c, c
	encode.Steps, decode.Steps = cfg.EncodeSteps(), cfg.DecodeSteps()
	return map[string]Chain{"encode": encode, "decode": decode}
}

// TestLarge decodes random latents into a picture of LDM_LARGE pixels a side with
// the first stage of Stable Diffusion v1, in LDM_LARGE_MIB beside its weights, and
// prints what memory the process took.
func TestLarge(t *testing.T) {
	side, _ := strconv.Atoi(os.Getenv("LDM_LARGE"))
	mib, _ := strconv.Atoi(os.Getenv("LDM_LARGE_MIB"))
	if side == 0 || mib == 0 {
		t.Skip("takes minutes: set LDM_LARGE=2048 and LDM_LARGE_MIB=2500")
	}
	c := chains(t, autoencoder.Config{Kind: autoencoder.KL, EmbedDim: 4, DD: autoencoder.DDConfig{
		DoubleZ: true, ZChannels: 4, Resolution: 256, InChannels: 3, OutCh: 3, Ch: 128, ChMult: []int{1, 2, 4, 4}, NumResBlocks: 2,
	}})["decode"]
	c.Options.Exact = false
	c.MaxBytes = int64(mib) << 20
	z := tensor.New(1, side/8, side/8, 4)
	tensor.NewStream(3).Normal(z.F32)
	r := &run{Chain: c, ctx: context.Background(), at: &plane{h: z.Shape[1], w: z.Shape[2], c: z.Shape[3]}}
	phases, err := r.plan()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range phases {
		t.Logf("steps %s to %s, window %d, %d passes", c.Steps[p.from].Name, c.Steps[p.to-1].Name, p.window, p.passes())
	}
	begin, last := time.Now(), time.Now()
	c.Progress = func(share float64) {
		if time.Since(last) > 20*time.Second {
			last = time.Now()
			t.Logf("%.0f s: %.0f %%, %s", time.Since(begin).Seconds(), 100*share, peak())
		}
	}
	if _, err := c.Run(context.Background(), z); err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f s, %s", time.Since(begin).Seconds(), peak())
}

// peak is what Linux says of the process's largest memory.
func peak() string {
	raw, _ := os.ReadFile("/proc/self/status")
	return regexp.MustCompile(`VmHWM:.*`).FindString(string(raw))
}

// smallest is the least memory that a chain accepts, within a factor.
func smallest(t *testing.T, c Chain, x *tensor.Tensor) int64 {
	t.Helper()
	for bytes := int64(1 << 20); bytes < 1<<32; bytes += bytes / 3 {
		c.MaxBytes = bytes
		r := &run{Chain: c, ctx: context.Background(), at: &plane{h: x.Shape[1], w: x.Shape[2], c: x.Shape[3]}}
		if _, err := r.plan(); err == nil {
			return bytes
		} else if !errors.Is(err, fault.Memory) {
			t.Fatal(err)
		}
	}
	t.Fatal("nothing is enough")
	return 0
}

// TestExact: in whatever memory, a chain gives what it gives whole, within the
// error of float32.
func TestExact(t *testing.T) {
	if testing.Short() {
		t.Skip("decodes the same pictures many times")
	}
	defer func(w []int, b int) { windows, blockFloats = w, b }(windows, blockFloats)
	windows, blockFloats = []int{64, 48}, 1<<12
	for name, cfg := range stages {
		for side, c := range chains(t, cfg) {
			x := tensor.New(1, 28, 52, cfg.LatentChannels())
			if side == "encode" {
				x = tensor.New(1, 112, 208, 3)
			}
			tensor.NewStream(3).Normal(x.F32)
			for i := range x.F32 { // a picture that differs from side to side
				x.F32[i] += float32(i) / float32(len(x.F32))
			}
			want, err := c.Run(context.Background(), x)
			if err != nil {
				t.Fatal(err)
			}
			least := smallest(t, c, x)
			cut := 0
			for _, bytes := range []int64{least, 2 * least} {
				c.MaxBytes = bytes
				r := &run{Chain: c, ctx: context.Background(), at: &plane{h: x.Shape[1], w: x.Shape[2], c: x.Shape[3]}}
				phases, err := r.plan()
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range phases {
					if p.window > 0 {
						cut++
					}
				}
				last := 0.
				c.Progress = func(share float64) { last = share }
				got, err := c.Run(context.Background(), x)
				if err != nil {
					t.Fatal(err)
				}
				e := golden.RelErr(got.F32, want.F32)
				if !(e < 5e-6) || last < .99 {
					t.Errorf("%s %s, %d KiB: error %g, progress %g", name, side, bytes>>10, e, last)
				}
			}
			if cut == 0 {
				t.Errorf("%s %s: nothing was cut", name, side)
			}
		}
	}
}
