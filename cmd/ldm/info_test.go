package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/retrieve"
	"github.com/ldm-go/ldm/tensor"
)

// infoOf is what ldm info prints.
func infoOf(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := root()
	cmd.SetOut(&out)
	cmd.SetArgs(append([]string{"info"}, args...))
	err := cmd.Execute()
	return out.String(), err
}

// TestInfoOfAdapters: a LoRA with its rank, its strength and what its metadata say.
func TestInfoOfAdapters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	const layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k."
	alpha := tensor.New()
	alpha.F32[0] = 2
	err := checkpoint.Save(path, map[string]*tensor.Tensor{
		layer + "lora_down.weight": tensor.New(8, 768), layer + "lora_up.weight": tensor.New(320, 8), layer + "alpha": alpha,
	}, map[string]string{"ss_output_name": "mine", "ss_network_dim": "8"}, checkpoint.F16)
	if err != nil {
		t.Fatal(err)
	}
	text, err := infoOf(path)
	for _, want := range []string{"a LoRA of kohya-ss for Stable Diffusion v1", "rank           8", "alpha          2", "ss_output_name mine", "1 layers of the U-Net"} {
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%v; want %q in\n%s", err, want, text)
		}
	}
	if err := ldmCommand("sample", "-m", path); err == nil || !strings.Contains(err.Error(), "a LoRA of kohya-ss") {
		t.Errorf("as a model: %v", err)
	}
}

// full is a writer of a full disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestInfoToAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := checkpoint.Save(path, map[string]*tensor.Tensor{"emb_params": tensor.New(5, 768)}, nil, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	cmd := root()
	cmd.SetOut(full{})
	cmd.SetArgs([]string{"info", path})
	if err := cmd.Execute(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("error %v", err)
	}
}

// TestConvertStops: a conversion that is stopped leaves nothing.
func TestConvertStops(t *testing.T) {
	model := modelFile(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	dir := t.TempDir()
	cmd := root()
	cmd.SetArgs([]string{"convert", model, "-o", filepath.Join(dir, "x.safetensors")})
	begin := time.Now()
	err := cmd.ExecuteContext(ctx)
	left, _ := os.ReadDir(dir)
	if !errors.Is(err, context.Canceled) || len(left) != 0 {
		t.Errorf("error %v, %d files, after %v", err, len(left), time.Since(begin))
	}
}

// TestInfoOfDatabases: a database of pictures says how many there are, and by which encoder.
func TestInfoOfDatabases(t *testing.T) {
	db, err := retrieve.New(tensor.Of([]float32{1, 0, 0, 1, 1, 1}, 3, 2), []string{"a.png", "b.png", "c.png"}, "ViT-L-14.pt")
	if err != nil {
		t.Fatal(err)
	}
	for _, search := range []string{"exact\n", "exact, or approximate by the index"} {
		path := filepath.Join(t.TempDir(), "db.safetensors")
		if err := db.Save(path, checkpoint.F32); err != nil {
			t.Fatal(err)
		}
		text, err := infoOf(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"a database of pictures", "3, 2 numbers each", "ViT-L-14.pt", search} {
			if !strings.Contains(text, want) {
				t.Errorf("want %q in\n%s", want, text)
			}
		}
		if err := db.Index(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInfoOfPublishedFiles: what the published files are, where they are at hand.
func TestInfoOfPublishedFiles(t *testing.T) {
	dir := filepath.Join(golden.Folder(t), "..", "real")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no published files: ", err)
	}
	for name, want := range map[string]string{
		"lora/cloneofsimo-analog_svd_rank4.safetensors":                          "a LoRA of cloneofsimo/lora",
		"lora/diffusers-new-pokemon.safetensors":                                 "a LoRA of diffusers for Stable Diffusion v1",
		"lora/peft-text_encoder-sd15.safetensors":                                "alpha          8, of a rank of 8 (adapter_config.json)",
		"lora/lycoris-lokr-smart_falcon_4.safetensors":                           "a LoKr of LyCORIS",
		"embeddings/emb_params-5x768.safetensors":                                "emb_params: 5 vectors of 768 channels",
		"embeddings/diffusers-birb-style.bin":                                    "<birb-style>: 1 vector of 768 channels",
		"embeddings/cloneofsimo-kiriko2.ti.pt":                                   "<krk>: 1 vector of 768 channels",
		"embeddings/a1111-sd21-FloralMarble.pt":                                  "*: 4 vectors of 1024 channels",
		"firststage/taesd_encoder.safetensors":                                   "TAESD",
		"firststage/taesd_decoder.safetensors":                                   "TAESD",
		"firststage/tiny-stable-diffusion-torch/vae":                             "KL, f = 2, 4 latent channels",
		"firststage/tiny-stable-diffusion-torch/vae/diffusion_pytorch_model.bin": "KL, f = 2, 4 latent channels",
		"firststage/tiny-stable-diffusion-torch/text_encoder/pytorch_model.bin":  "a CLIP text encoder alone, 32 channels",
		"firststage/tiny-stable-diffusion-torch":                                 "unet: no weights",
		"firststage/tiny-stable-diffusion-torch/unet":                            "is one component of a model (UNet2DConditionModel)",
		"metric/lpips_squeeze.pt":                                                "LPIPS",
		"metric/lpips-0.1.4-alex.pth":                                            "the heads of LPIPS",
		"metric/laion-sa_0_4_vit_l_14_linear.pth":                                "one linear layer, 768 to 1",
		"checkpoints/lightning-aegnn-last.ckpt":                                  "no model that is known",
		"checkpoints/burn-checkpoint.pt":                                         "model_state_dict is a dictionary of 4 tensors",
		"checkpoints/tch-torchscript-foo1.pt":                                    "a TorchScript program, not weights",
		"checkpoints/lfs-pointer-v1-5-pruned-emaonly.safetensors":                "a Git LFS pointer, not the file itself (4265146304 bytes): run git lfs pull",
		"diffusers/jack-op11-stable-diffusion-2-1-base":                          "a Git LFS pointer",
		"diffusers/jack-op11-stable-diffusion-inpainting":                        "a Git LFS pointer",
		"diffusers/wswplay-stable-diffusion-v1-4":                                "a Git LFS pointer",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		text, err := infoOf(path)
		if err != nil {
			text += err.Error()
		}
		if !strings.Contains(text, want) {
			t.Errorf("%s: want %q in\n%s", name, want, text)
		}
	}
}
