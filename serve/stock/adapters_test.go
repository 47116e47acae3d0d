package stock

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ldm-go/ldm"
	"github.com/ldm-go/ldm/checkpoint"
	"github.com/ldm-go/ldm/conditioner"
	"github.com/ldm-go/ldm/config"
	"github.com/ldm-go/ldm/engine"
	"github.com/ldm-go/ldm/engine/cpu"
	"github.com/ldm-go/ldm/fault"
	"github.com/ldm-go/ldm/internal/golden"
	"github.com/ldm-go/ldm/model"
	"github.com/ldm-go/ldm/serve/catalog"
	"github.com/ldm-go/ldm/serve/job"
	"github.com/ldm-go/ldm/tensor"
	"github.com/ldm-go/ldm/token"
	"github.com/ldm-go/ldm/weights/emoji"
)

func write(t *testing.T, path string, tensors map[string]*tensor.Tensor, meta map[string]string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := checkpoint.Save(path, tensors, meta, checkpoint.F32); err != nil {
		t.Fatal(err)
	}
}

// middle is a LoRA of the middle block of the model in the program.
func middle(t *testing.T, module string) map[string]*tensor.Tensor {
	const width = 192
	return map[string]*tensor.Tensor{
		module + ".lora_up.weight":   golden.Weight("up", []int{width, 2}, 3),
		module + ".lora_down.weight": golden.Weight("down", []int{2, width}, 3),
	}
}

const middleModule = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_v"

// say encodes a text as a job with it would.
func say(t *testing.T, s *Stock, id, text string, loras ...job.LoRA) ([]float32, []string, error) {
	t.Helper()
	k := s.find(id)
	m, release, err := s.use(k)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	remarks, done, err := s.adapt(context.Background(), k, m, job.Request{Model: id, LoRAs: loras})
	if err != nil {
		return nil, nil, err
	}
	defer done()
	out, err := m.Generate(t.Context(), ldm.Request{Condition: ldm.Prompt(plain(text)), Seeds: []uint64{3}, Steps: 1})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(out.Pixels.F32), remarks, nil
}

// TestLoRAs: those of the folder and below it have names, change pictures, and leave
// nothing behind; a rescan finds new ones.
func TestLoRAs(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "style.safetensors"), middle(t, middleModule), map[string]string{"ss_output_name": "trained"})
	write(t, filepath.Join(dir, "other.safetensors"), middle(t, "lora_unet_nothing"), nil)
	write(t, filepath.Join(dir, "a", "twice.safetensors"), middle(t, middleModule), nil)
	write(t, filepath.Join(dir, "b", "twice.safetensors"), middle(t, middleModule), nil)
	os.WriteFile(filepath.Join(dir, "broken.safetensors"), []byte("nothing"), 0o644)
	os.WriteFile(filepath.Join(dir, "note.txt"), []byte("nothing"), 0o644)
	s, err := Open(Options{Box: true, LoRAs: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var names []string
	for _, l := range s.Adapters().LoRAs {
		names = append(names, l.Name)
	}
	if want := []string{"a/twice", "b/twice", "other", "style"}; !slices.Equal(names, want) {
		t.Errorf("LoRAs %v, want %v", names, want)
	}
	for _, name := range []string{"style", "style.safetensors", "trained", "a/twice", "b/twice.safetensors"} {
		if _, ok := s.Adapters().LoRA(name); !ok {
			t.Errorf("there is no %s", name)
		}
	}
	for _, name := range []string{"twice", "broken", "../style", filepath.Join(dir, "style.safetensors")} {
		if l, ok := s.Adapters().LoRA(name); ok {
			t.Errorf("%s is %s", name, l.Name)
		}
	}
	before, _, _ := say(t, s, "emoji", "a cat")
	with, remarks, err := say(t, s, "emoji", "a cat <lora:style:0.5>", job.LoRA{Name: "style", UNet: .5, Text: .5})
	if err != nil || len(remarks) > 0 || slices.Equal(before, with) {
		t.Errorf("the LoRA changes nothing; remarks %v, error %v", remarks, err)
	}
	if after, _, _ := say(t, s, "emoji", "a cat"); !slices.Equal(before, after) {
		t.Error("the next picture has other bits than before the LoRA")
	}
	if _, _, err := say(t, s, "emoji", "a cat", job.LoRA{Name: "other", UNet: 1}); !errors.Is(err, fault.Input) || strings.Contains(err.Error(), dir) {
		t.Errorf("a LoRA of which nothing fits: %v", err)
	}
	write(t, filepath.Join(dir, "late.safetensors"), middle(t, middleModule), nil)
	os.Remove(filepath.Join(dir, "style.safetensors"))
	if err := s.Rescan(); err != nil {
		t.Fatal(err)
	}
	if s.Has(job.Request{Model: "emoji", LoRAs: []job.LoRA{{Name: "style"}}}) || !s.Has(job.Request{Model: "emoji", LoRAs: []job.LoRA{{Name: "late"}}}) {
		t.Errorf("after a rescan there are %v", s.Adapters().LoRAs)
	}
}

// clipYAML is a model that takes texts of a small CLIP.
const clipYAML = `model:
  target: ldm.models.diffusion.ddpm.LatentDiffusion
  params:
    image_size: 8
    channels: 4
    conditioning_key: crossattn
    cond_stage_key: class_label
    first_stage_config:
      target: ldm.models.autoencoder.AutoencoderKL
      params:
        embed_dim: 4
        ddconfig: {double_z: true, z_channels: 4, resolution: 16, in_channels: 3, out_ch: 3, ch: 32,
          ch_mult: [1, 2], num_res_blocks: 1, attn_resolutions: [], dropout: 0.0}
        lossconfig: {target: torch.nn.Identity}
    unet_config:
      target: ldm.modules.diffusionmodules.openaimodel.UNetModel
      params: {in_channels: 4, out_channels: 4, model_channels: 32, num_res_blocks: 1, attention_resolutions: [2, 1],
        channel_mult: [1, 2], num_heads: 8, use_spatial_transformer: true, transformer_depth: 1, context_dim: 32}
    cond_stage_config:
      target: ldm.modules.encoders.modules.ClassEmbedder
      params: {embed_dim: 32, n_classes: 5, key: class_label}
`

func openCLIP(ldm.Options) (*ldm.Model, error) {
	var file struct {
		Model config.Target `yaml:"model"`
	}
	if err := config.Parse(&file, "clip.yaml", []byte(clipYAML), nil); err != nil {
		return nil, err
	}
	net, err := model.New(file.Model)
	if err != nil {
		return nil, err
	}
	net.Conditioner.Class, net.Conditioner.CLIP = nil, &conditioner.CLIP{Width: 32, Heads: 4, Layers: 1, Vocab: 49408, MaxLen: 77}
	specs, err := net.AllParams()
	if err != nil {
		return nil, err
	}
	vars := engine.Vars{}
	for _, p := range specs {
		vars[p.Name] = golden.Weight(p.Name, p.Shape, 1)
	}
	eng := cpu.New(cpu.Options{})
	w, err := eng.Load(vars, engine.LoadOptions{})
	if err != nil {
		return nil, err
	}
	return ldm.New(net, file.Model, token.CLIP(), w, ldm.Options{Engine: eng}), nil
}

// TestWords: learnt words of the folder count for models of their width, also those that
// come later.
func TestWords(t *testing.T) {
	dir := t.TempDir()
	vector := func(n, width int) map[string]*tensor.Tensor {
		return map[string]*tensor.Tensor{"emb_params": golden.Weight("word", []int{n, width}, 9)}
	}
	write(t, filepath.Join(dir, "fruitx.safetensors"), vector(2, 32), nil)
	write(t, filepath.Join(dir, "wide", "largex.safetensors"), vector(1, 1024), nil)
	s, err := Open(Options{Box: true, Words: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got, want := s.Adapters().Words, []catalog.Word{{Name: "fruitx", Width: 32, Vectors: 2}, {Name: "largex", Width: 1024, Vectors: 1}}; !slices.Equal(got, want) {
		t.Errorf("words %v, want %v", got, want)
	}
	s.kinds = append(s.kinds, &kind{Model: catalog.Model{ID: "clip", Tasks: []job.Type{job.TextToImage}}, open: openCLIP, named: true})
	first, _, _ := say(t, s, "clip", "a fruitx")
	if other, _, _ := say(t, s, "clip", "a largex"); slices.Equal(first, other) {
		t.Error("the words say the same")
	}
	late, _, _ := say(t, s, "clip", "a latex")
	write(t, filepath.Join(dir, "latex.safetensors"), vector(2, 32), nil)
	if err := s.Rescan(); err != nil {
		t.Fatal(err)
	}
	if now, _, _ := say(t, s, "clip", "a latex"); !slices.Equal(now, first) || slices.Equal(now, late) {
		t.Error("a word that came later does not say what its vectors do")
	}
}

// TestRescan: models that come are there, those whose files change or go are not what they
// were, and names and the default stay.
func TestRescan(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("m.safetensors", emoji.Bytes())
	s, err := Open(Options{Folder: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ids := func() (ids []string) {
		for _, m := range s.List() {
			ids = append(ids, m.ID)
		}
		return ids
	}
	if err := s.Load("m"); err != nil || !s.Loaded("m") {
		t.Fatal(err)
	}
	put("a.safetensors", emoji.Bytes())
	put("m.ckpt", []byte("nothing"))
	if err := s.Rescan(); err != nil || !slices.Equal(ids(), []string{"m", "a"}) || !s.Loaded("m") {
		t.Errorf("models %v, error %v", ids(), err)
	}
	old := s.find("m")
	_, release, err := s.use(old)
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "m.safetensors"), later, later); err != nil {
		t.Fatal(err)
	}
	if err := s.Rescan(); err != nil || s.find("m") == old || s.Loaded("m") || old.model == nil {
		t.Errorf("another file is the old model, or one in use was unloaded: %v", err)
	}
	if release(); old.model != nil {
		t.Error("a model whose file is gone stays in memory")
	}
	os.Remove(filepath.Join(dir, "a.safetensors"))
	if err := s.Rescan(); err != nil || !slices.Equal(ids(), []string{"m"}) {
		t.Errorf("models %v, error %v", ids(), err)
	}
	if err := s.Load("m"); err != nil {
		t.Fatal(err)
	}
	if s.Unload("m"); s.Loaded("m") {
		t.Error("a model that nobody uses is not unloaded")
	}
}
