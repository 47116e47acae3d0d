package ldm

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/checkpoint/diffusers"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/modelfile"
	"github.com/ldm-go/ldm/tensor"
)

// tinyFolder are the JSON files of the tiny model with texts, as diffusers
// writes them.
var tinyFolder = map[string]string{
	"model_index.json": `{"_class_name": "LDMTextToImagePipeline", "bert": ["latent_diffusion", "LDMBertModel"],
		"scheduler": ["diffusers", "DDIMScheduler"], "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}`,
	"unet/config.json": `{"_class_name": "UNet2DConditionModel", "attention_head_dim": 8, "block_out_channels": [32, 64], "cross_attention_dim": 32,
		"down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"], "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
		"in_channels": 4, "out_channels": 4, "layers_per_block": 1, "sample_size": 8}`,
	"vae/config.json": `{"_class_name": "AutoencoderKL", "block_out_channels": [32, 64], "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"],
		"up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"], "in_channels": 3, "out_channels": 3, "latent_channels": 4,
		"layers_per_block": 1, "sample_size": 16, "scaling_factor": 0.5}`,
	"bert/config.json": `{"architectures": ["LDMBertModel"], "model_type": "ldmbert", "activation_function": "gelu", "d_model": 32,
		"encoder_attention_heads": 8, "encoder_ffn_dim": 128, "encoder_layers": 1, "head_dim": 64, "max_position_embeddings": 6,
		"scale_embedding": false, "vocab_size": 30522}`,
	"scheduler/scheduler_config.json": `{"_class_name": "DDIMScheduler", "beta_start": 0.0015, "beta_end": 0.0195, "beta_schedule": "scaled_linear",
		"num_train_timesteps": 1000, "clip_sample": false}`,
}

// tinyWithText are the weights of the tiny model with texts under the names of
// the reference, those among them that nothing reads.
func tinyWithText(t *testing.T) (*model.Network, map[string]*tensor.Tensor) {
	t.Helper()
	net := tinyNetwork(t, tinyText, tinyParams+"scale_factor=0.5", tinyParams+"use_ema=false")
	keys, err := net.StateDict()
	if err != nil {
		t.Fatal(err)
	}
	tensors := map[string]*tensor.Tensor{}
	for name, shape := range keys {
		if !slices.Contains(model.ScheduleBuffers, name) {
			tensors[name] = golden.Weight(name, shape, 1)
		}
	}
	return net, tensors
}

// writeFolder writes the tensors as diffusers lays them out, the U-Net in two
// files.
func writeFolder(t *testing.T, tensors map[string]*tensor.Tensor) (dir string, parts map[string]map[string]*tensor.Tensor) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range tinyFolder {
		writeFile(t, filepath.Join(dir, name), text)
	}
	for _, name := range []string{"unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "bert/model"} {
		writeFile(t, filepath.Join(dir, name+".safetensors"), "") // a layout wants the files to be there
	}
	layout, err := diffusers.Open(dir, os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	parts = map[string]map[string]*tensor.Tensor{"unet": {}, "vae": {}, "bert": {}}
	for ours, x := range tensors {
		folder, names, ok := layout.Name(ours)
		if !ok {
			t.Fatalf("%s has no name", ours)
		}
		if folder == "vae" && strings.Contains(names[0], "attentions") && len(x.Shape) == 4 {
			x = tensor.Of(x.F32, x.Shape[0], x.Shape[1]) // a linear layer there
		}
		parts[folder][names[0]] = x
	}
	writeParts(t, dir, parts)
	return dir, parts
}

func writeParts(t *testing.T, dir string, parts map[string]map[string]*tensor.Tensor) {
	t.Helper()
	os.Remove(filepath.Join(dir, "unet/diffusion_pytorch_model.safetensors"))
	shards, where := [2]map[string]*tensor.Tensor{{}, {}}, []string{}
	const shard = "diffusion_pytorch_model-%05d-of-00002.safetensors"
	for i, name := range sortedNames(parts["unet"]) {
		shards[i%2][name] = parts["unet"][name]
		where = append(where, fmt.Sprintf(`%q: "`+shard+`"`, name, i%2+1))
	}
	files := map[string]map[string]*tensor.Tensor{
		"vae/diffusion_pytorch_model.safetensors": parts["vae"], "bert/model.safetensors": parts["bert"],
		"unet/" + fmt.Sprintf(shard, 1): shards[0], "unet/" + fmt.Sprintf(shard, 2): shards[1],
	}
	for name, tensors := range files {
		if err := checkpoint.Save(filepath.Join(dir, name), tensors, nil, checkpoint.F32); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(dir, "unet/diffusion_pytorch_model.safetensors.index.json"), `{"weight_map": {`+strings.Join(where, ", ")+"}}")
}

// TestFolder: a diffusers folder gives what the reference's file gives.
func TestFolder(t *testing.T) {
	net, tensors := tinyWithText(t)
	dir, parts := writeFolder(t, tensors)
	for name, want := range map[string]tensor.Shape{"encoder.mid_block.attentions.0.to_q.weight": {64, 64}, "encoder.mid_block.resnets.0.conv1.weight": {64, 64, 3, 3}} {
		if x := parts["vae"][name]; x == nil || !x.Shape.Equal(want) {
			t.Fatalf("%s: %v, want %v", name, x, want)
		}
	}
	file := save(t, tensors, checkpoint.F32)
	yaml := writeConfig(t, file+".yaml", tinyText, tinyParams+"scale_factor=0.5", tinyParams+"use_ema=false")
	want := predict(t, open(t, file, modelfile.Options{Config: yaml}))
	m := open(t, dir, modelfile.Options{})
	same(t, "the folder's prediction", predict(t, m), want)
	if m.net.ScaleFactor != .5 || !slices.Equal(m.net.Schedule.Betas, net.Schedule.Betas) {
		t.Errorf("scale factor %g, schedule from %g", m.net.ScaleFactor, m.net.Schedule.Betas[0])
	}
	folder, err := modelfile.Open(dir, modelfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	cfg, vars, err := folder.FirstStage()
	if err != nil || cfg.Factor() != 2 {
		t.Fatalf("first stage of factor %d, error %v", cfg.Factor(), err)
	}
	same(t, "the first stage alone", vars["encoder.mid.attn_1.q.weight"].F32, tensors[model.PrefixFirstStage+".encoder.mid.attn_1.q.weight"].F32)

	if err := m.Save(file+".saved", checkpoint.F32); err != nil {
		t.Fatal(err)
	}
	same(t, "the folder as one file", predict(t, open(t, file+".saved", modelfile.Options{})), want)
	closer, err := Open(dir, Options{Engine: cpu.New(cpu.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	closeTwice(t, closer)
}

// TestFolderMisfits: what is missing is named as here, what is too much as in the
// folder.
func TestFolderMisfits(t *testing.T) {
	_, tensors := tinyWithText(t)
	dir, parts := writeFolder(t, tensors)
	vae := maps.Clone(parts["vae"])
	delete(parts["unet"], "conv_out.weight")
	vae["decoder.conv_out.bias"], vae["extra.weight"] = tensor.New(4), tensor.New(1)
	parts["vae"] = vae
	writeParts(t, dir, parts)
	wantOneLine(t, openError(dir, modelfile.Options{}), dir, "1 missing: ", "out.2.weight", "1 wrongly shaped: ", "is [4], want [3]", "1 unexpected: vae/extra.weight")
	m := open(t, dir, modelfile.Options{IgnoreKeys: []string{"model.diffusion_model.out.2.", "first_stage_model.decoder.conv_out", "vae/extra"}})
	same(t, "what is not ignored", weightOf(t, m, "model.diffusion_model.out.0.weight").F32, tensors["model.diffusion_model.out.0.weight"].F32)
}
