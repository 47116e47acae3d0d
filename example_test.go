package ldm_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"iter"
	"log"
	"math"
	"os"
	"path/filepath"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/adapter/lora"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/nn"
	"github.com/ldm-go/ldm/picture"
	"github.com/ldm-go/ldm/sampler"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/train"
	"github.com/ldm-go/ldm/weights/emoji"
)

// A picture of a text, with the model in the box.
func Example_text() {
	m, err := emoji.Load(ldm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	out, err := m.Generate(context.Background(), ldm.Request{
		Condition: ldm.Prompt("a red apple"),
		Seeds:     []uint64{7},
		Steps:     10,
		OnStep: func(s ldm.Step) {
			if s.Done == s.Total {
				fmt.Println(s.Done, "steps")
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	r, g, b, _ := out.Images[0].At(32, 40).RGBA()
	fmt.Println(out.Images[0].Bounds().Size(), "red in the middle:", r > 2*g && r > 2*b)
	// Output:
	// 10 steps
	// (64,64) red in the middle: true
}

// A picture that begins with another one, of which a mask keeps the left half.
func Example_imageToImage() {
	m, err := emoji.Load(ldm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	start, mask := image.NewRGBA(image.Rect(0, 0, 64, 64)), image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		start.Set(i%64, i/64, color.RGBA{255, byte(4 * (i / 64)), 0, 255})
		if i%64 >= 32 {
			mask.Set(i%64, i/64, color.White)
		}
	}
	out, err := m.Generate(context.Background(), ldm.Request{
		Condition: ldm.Prompt("a cat face"), Seeds: []uint64{3}, Steps: 10, Start: start, Mask: mask, Strength: 0.8,
	})
	if err != nil {
		log.Fatal(err)
	}
	got := out.Images[0]
	fmt.Println("left:", got.At(10, 20) == start.At(10, 20), "right:", got.At(50, 20) == start.At(50, 20))
	// Output: left: true right: false
}

// Pictures of classes, by a model that was trained on folders of them. This one has
// random weights.
func Example_class() {
	m := untrained()
	defer m.Close()
	out, err := m.Generate(context.Background(), ldm.Request{
		Condition: ldm.Each{ldm.Class(0), ldm.Class(3)}, Seeds: ldm.Seeds(1, 2), Steps: 4, Guidance: 3,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(out.Images), "pictures of", out.Images[0].Bounds().Size(), "with seeds", out.Request.Seeds)
	_, err = m.Generate(context.Background(), ldm.Request{Condition: ldm.Class(9)})
	fmt.Println(err)
	// Output:
	// 2 pictures of (16,16) with seeds [1 2]
	// class 9: want 0 to 4
}

// untrained is a class-conditional model with random weights: what ldm.Open gives for
// a file of such a model.
func untrained() *ldm.Model {
	target, err := model.ParseConfig("example.yaml", []byte(`
model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    image_size: 8
    conditioning_key: crossattn
    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params: {embed_dim: 4, ddconfig: {double_z: true, z_channels: 4, resolution: 16, in_channels: 3, out_ch: 3, ch: 32, ch_mult: [1, 2], num_res_blocks: 1}}
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params: {in_channels: 4, out_channels: 4, model_channels: 32, num_res_blocks: 1, channel_mult: [1, 2], num_heads: 4, use_spatial_transformer: true, context_dim: 32, attention_resolutions: [2]}
    cond_stage_config: {target: ldm.modules.encoders.modules.ClassEmbedder, params: {embed_dim: 32, n_classes: 5}}
`))
	if err != nil {
		log.Fatal(err)
	}
	net, err := model.New(target)
	if err != nil {
		log.Fatal(err)
	}
	params, err := net.AllParams()
	if err != nil {
		log.Fatal(err)
	}
	processor := cpu.New(cpu.Options{})
	weights, err := processor.Load(nn.Initialize(params, 1), engine.LoadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	return ldm.New(net, target, nil, weights, ldm.Options{Engine: processor})
}

// An autoencoder is trained for a few steps on a folder of pictures, and opened.
func Example_training() {
	dir, err := os.MkdirTemp("", "ldm")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for i := range 8 {
		img := image.NewRGBA(image.Rect(0, 0, 16, 16))
		for k := range 256 {
			img.Set(k%16, k/16, color.RGBA{byte(32 * i), byte(16 * (k % 16)), byte(k), 255})
		}
		if err := picture.Save(filepath.Join(dir, "pictures", fmt.Sprintf("%d.png", i)), img, picture.Options{}); err != nil {
			log.Fatal(err)
		}
	}
	cfg := train.DefaultAutoencoder()
	err = config.Parse(&cfg, "example.yaml", []byte(`
model:
  target: ldm.models.autoencoder.AutoencoderKL
  params: {embed_dim: 4, ddconfig: {double_z: true, z_channels: 4, resolution: 16, in_channels: 3, out_ch: 3, ch: 32, ch_mult: [1, 2], num_res_blocks: 1}}
loss: {l1: 1, perceptual: 0}
data: {size: 16}
train: {steps: 20, batch_size: 4, learning_rate: 1.0e-3, warmup: 5}
`), []string{"data.train=" + filepath.Join(dir, "pictures")})
	if err != nil {
		log.Fatal(err)
	}
	if err := train.Autoencoder(context.Background(), cfg, train.Run{Dir: filepath.Join(dir, "run"), Engine: cpu.New(cpu.Options{})}); err != nil {
		log.Fatal(err)
	}
	stage, err := ldm.OpenFirstStage(filepath.Join(dir, "run", train.ModelFile), ldm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer stage.Close()
	moments, err := stage.Moments(context.Background(), tensor.New(1, 32, 32, 3))
	if err != nil {
		log.Fatal(err)
	}
	z, err := stage.Mode(moments)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("pictures of 32x32 become", z.Shape)
	// Output: pictures of 32x32 become [1 16 16 4]
}

// What a checkpoint holds, without loading it.
func Example_checkpoint() {
	f, err := emoji.Open(modelfile.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	net, err := f.Network()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(f.Format, f.Target.Target)
	fmt.Println("conditioned by", net.Kind, "through", net.Key)
	names := f.Names()
	info, _ := f.Info(names[0])
	fmt.Println(len(names), "tensors, the first", names[0], info.DType, info.Shape)
	// Output:
	// safetensors ldm.models.diffusion.ddpm.LatentDiffusion
	// conditioned by ldm.modules.encoders.modules.BERTEmbedder through crossattn
	// 560 tensors, the first cond_stage_model.transformer.attn_layers.layers.0.0.bias F16 [160]
}

// A sampler of one's own is a function over a denoiser and a path of noise levels.
// This one takes the clean latent as it is predicted, and noises it to the next level.
func Example_sampler() {
	again := func(ctx context.Context, d sampler.Denoiser, x *tensor.Tensor, p sampler.Path, o sampler.Options) iter.Seq2[sampler.State, error] {
		return func(yield func(sampler.State, error) bool) {
			fresh := tensor.New(x.Shape...)
			for i := range p.Steps() {
				y, err := d(ctx, x, p.Timestep(i))
				if err != nil {
					yield(sampler.State{}, err)
					return
				}
				o.Noise(fresh, p.Sigmas[i], p.Sigmas[i+1])
				alpha := 1 / math.Hypot(1, p.Sigmas[i+1])
				for k, clean := range y.X0.F32 {
					x.F32[k] = float32(alpha)*clean + float32(alpha*p.Sigmas[i+1])*fresh.F32[k]
				}
				if !yield(sampler.State{Step: i + 1, Total: p.Steps(), X: x, X0: y.X0}, nil) {
					return
				}
			}
		}
	}
	m, err := emoji.Load(ldm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	out, err := m.Generate(context.Background(), ldm.Request{
		Condition: ldm.Prompt("a red heart"), Seeds: []uint64{1}, Steps: 10,
		Sampler: sampler.Method{Name: "again", Schedule: "Trailing", Run: again},
	})
	if err != nil {
		log.Fatal(err)
	}
	r, g, b, _ := out.Images[0].At(32, 32).RGBA()
	fmt.Println(out.Request.Sampler.Name, "red in the middle:", r > 2*g && r > 2*b)
	// Output: again red in the middle: true
}

// Two LoRAs on a model: one of half strength, one on the denoiser alone. The next call
// takes their place; without any the weights are what they were.
func ExampleModel_SetLoRA() {
	m, err := ldm.Open("sd-v1-5.safetensors", ldm.Options{})
	if err != nil {
		fmt.Println("no model here")
		return
	}
	defer m.Close()
	ctx := context.Background()
	unused, err := m.SetLoRA(ctx, lora.At("style.safetensors", 0.5), lora.Use{Path: "figure.safetensors", UNet: 0.8})
	fmt.Println(unused, err)
	_, err = m.SetLoRA(ctx) // none
	fmt.Println(err)
	// Output: no model here
}
